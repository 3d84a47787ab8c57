"""Commands on models and their providers."""

from client.cli.verb import Argument, Verb
from client.cli.verbs.common import NAME

MODELS = (
    Verb(
        "provider add",
        "Add, or replace, an OpenAI-compatible endpoint.",
        Argument("name", "NAME", "what to call it", required=True),
        Argument("base_url", "URL", "its base URL", "--base-url", required=True),
        Argument("model", "MODEL", "a model it offers; its default", "--model", required=True),
        Argument("key", "", "read its API key from standard input", "--key-stdin", kind="secret"),
        group="models",
        operations=("provider.add",),
        text="models:added",
        examples=("opensesh provider add local --base-url http://localhost:11434/v1 --model qwen3",),
        detail="Without --key-stdin no key is kept. A key stays in this device's keychain.",
    ),
    Verb(
        "provider list",
        "List the providers on this device.",
        group="models",
        operations=("provider.list",),
        text="models:providers",
        examples=("opensesh provider list",),
    ),
    Verb(
        "provider test",
        "Ask a provider for one short answer.",
        NAME,
        group="models",
        operations=("provider.test",),
        text="models:tested",
        examples=("opensesh provider test local",),
    ),
    Verb(
        "provider remove",
        "Forget a provider and its key.",
        NAME,
        group="models",
        operations=("provider.remove",),
        text="models:removed",
        examples=("opensesh provider remove local",),
    ),
    Verb(
        "models",
        "List the models that `ask --model` takes.",
        group="models",
        operations=("model.list",),
        text="models:listed",
        examples=("opensesh models",),
    ),
)
