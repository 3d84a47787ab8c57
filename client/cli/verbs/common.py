"""Arguments that several commands take."""

from client.cli.verb import Argument

THREAD = Argument("thread", "THREAD", "its id, a unique beginning of the id, or its exact title", required=True)
ONE_THREAD = Argument("thread", "THREAD", "only this thread: id, unique beginning of it, or exact title")
TIMEOUT = Argument("timeout_s", "S", "seconds to wait before giving up (default 600)", "--timeout", kind="number")
REQUEST = Argument("request_id", "ID", "any text: the same again, with the same id, is done once", "--request-id")
LIMIT = Argument("limit", "N", "at most so many", "--limit", kind="integer")
DEVICE = Argument("device", "DEVICE", "its id, a unique beginning of the id, or its exact name", required=True)
NAME = Argument("provider", "NAME", "the provider's name", required=True)
PROJECT = Argument("project", "DIR", "only threads of the project in this folder", "--project", kind="path")
RELAY = Argument("relay", "URL", "the relay to meet at, if this device has none yet", "--relay")
PHRASE = Argument("phrase", "", "read the 24 words from standard input", "--phrase-stdin", kind="secret")
PASSPHRASE = Argument("passphrase", "", "read a passphrase from standard input", "--passphrase-stdin", kind="secret")
ACCESS_KEY = (
    Argument("access_key", "", "read the relay's access key from standard input", "--access-key-stdin", kind="secret"),
    ACCESS_FILE := Argument("access_key_file", "FILE", "take it from this file", "--access-key-file", kind="key_file"),
)
