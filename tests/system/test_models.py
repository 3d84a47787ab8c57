"""An OpenAI-compatible endpoint of our own behind the real worker: keys, streams, refusals, as a person meets them."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from tests.system.machines import Device, Room, failing, texts

KEY = "sk-only-for-the-endpoint-0123456789"


class Endpoint(BaseHTTPRequestHandler):
    """Speaks chat completions as a stream of server-sent events."""

    asked: ClassVar[list[dict[str, Any]]] = []
    refuse: ClassVar[int] = 0

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append({"path": self.path, "authorization": self.headers["Authorization"], **body})
        if self.refuse or self.headers["Authorization"] != f"Bearer {KEY}":
            answer = json.dumps({"error": {"message": f"no use for {self.headers['Authorization']}"}}).encode()
            self.send_response(self.refuse or 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for piece in ("Three ", "streamed ", "pieces."):
            self._event({"delta": {"role": "assistant", "content": piece}, "index": 0, "finish_reason": None})
        self._event({"delta": {}, "index": 0, "finish_reason": "stop"})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, choice: dict[str, Any]) -> None:
        shape = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        self.wfile.write(b"data: " + json.dumps(shape).encode() + b"\n\n")
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    Endpoint.asked, Endpoint.refuse = [], 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """One for all: its worker takes longer to get ready than to answer."""
    with ExitStack() as stack:
        yield Room(tmp_path_factory.mktemp("models"), stack).device("laptop")


def test_a_refused_key_and_a_dead_endpoint_say_so_without_the_key(laptop: Device, url: str) -> None:
    thread = laptop.run("new", "With a model")["id"]
    laptop.run("provider", "add", "wrong", "--base-url", url, "--model", "m", "--key-stdin", stdin="sk-" + "wrong" * 6)
    error = failing(laptop, "ask", thread, "Hello?", "--model", "wrong")
    assert error["name"] == "PROVIDER_FAILED" and "401" in error["message"] and "wrongwrong" not in json.dumps(error)
    laptop.run("provider", "add", "dead", "--base-url", "http://127.0.0.1:9/v1", "--model", "m")
    assert failing(laptop, "ask", thread, "Anybody?", "--model", "dead")["name"] == "NETWORK_ERROR"
    assert failing(laptop, "ask", thread, "Who?", "--model", "nobody")["name"] == "AGENT_NOT_FOUND"
    assert texts(laptop, thread) == ["Hello?", "Anybody?"], "what was asked stays in the thread"


def test_a_provider_answers_in_a_thread_and_its_key_is_nowhere_to_be_read(laptop: Device, url: str) -> None:
    thread = laptop.run("new", "With a model")["id"]
    laptop.run("provider", "add", "local", "--base-url", url, "--model", "tiny", "--key-stdin", stdin=KEY)
    assert laptop.run("provider", "test", "local")["model"] == "local/tiny"
    ended = laptop.run("ask", thread, "Say three things", "--model", "local")
    assert (ended["type"], ended["text"]) == ("run.completed", "Three streamed pieces.")
    assert texts(laptop, thread) == ["Say three things", "Three streamed pieces."]
    asked = Endpoint.asked[-1]
    assert asked["path"] == "/v1/chat/completions" and asked["model"] == "tiny" and asked["stream"] is True
    assert asked["messages"][-1] == {"role": "user", "content": "Say three things"}
    laptop.run("node", "stop")
    files = [path for path in laptop.home.rglob("*") if path.is_file()]
    assert not [path.name for path in files if KEY.encode() in path.read_bytes()]
