"""Model runs and the providers they use."""

from crdt import errors as e
from node.api.operation import Operation, Parameter
from node.api.operations.common import PROVIDER, PROVIDER_ROW, THREAD, WRITE_THREAD

_RUN: dict[str, object] = {"run": "run id", "thread": "thread id"}
_RUN_END: dict[str, object] = {**_RUN, "message_id?": "the answer, if one was begun"}

# What an operation that runs a model gives, whatever the prompt was made of.
RUN_LINES: dict[str, object] = {
    "run.queued": {**_RUN, "prompt": "message id", "runner": "device id that will run it"},
    "run.started": {**_RUN, "message_id": "the answer's message id", "model": "text"},
    "run.delta": {**_RUN, "message_id": "message id", "text": "what was added", "part": "text | reasoning"},
    "run.completed": {**_RUN_END, "text": "the whole answer"},
    "run.failed": {**_RUN_END, "error": "error object"},
    "run.cancelled": _RUN_END,
}
RUN_LAST = ("run.completed", "run.failed", "run.cancelled")
RUN_ERRORS = (*WRITE_THREAD, e.AGENT_NOT_FOUND, e.AGENT_SPAWN_FAILED, e.PROVIDER_FAILED, e.RUN_ELSEWHERE)

RUNS = (
    Operation(
        "run.ask",
        "POST",
        "/v1/threads/{thread}/runs",
        "Write a prompt and stream the model's answer. The run goes on if the client leaves.",
        THREAD,
        Parameter("text", "text", "The prompt.", required=True),
        Parameter("model", "text", "Model id; without it the thread's, then the default.", maximum=200),
        Parameter("take_over", "boolean", "Run it here even if another device holds the thread.", default=False),
        result=RUN_LINES,
        errors=RUN_ERRORS,
        stream=True,
        last=RUN_LAST,
    ),
    Operation(
        "run.cancel",
        "POST",
        "/v1/threads/{thread}/runs/cancel",
        "Cancel the thread's run, and all queued in it; what another device runs ends as soon as it hears.",
        THREAD,
        Parameter("run", "text", "Only this run.", maximum=100),
        result={"cancelled": ["run id"]},
        errors=WRITE_THREAD,
    ),
    Operation(
        "provider.add",
        "POST",
        "/v1/providers",
        "Add, or replace, an OpenAI-compatible endpoint. Its key stays in this device's keychain.",
        Parameter("name", "text", "What to call it.", required=True, maximum=200),
        Parameter("base_url", "text", "Its base URL.", required=True, maximum=2_000),
        Parameter("model", "text", "A model it offers; the default of this provider.", required=True, maximum=200),
        Parameter("key", "secret", "Its API key."),
        result={"provider": PROVIDER_ROW},
        errors=(e.CONFIG_INVALID, e.KEYS_UNREADABLE),
    ),
    Operation(
        "provider.list",
        "GET",
        "/v1/providers",
        "The providers on this device; the guide is always among them.",
        result={"providers": [PROVIDER_ROW]},
    ),
    Operation(
        "provider.test",
        "POST",
        "/v1/providers/{provider}/test",
        "Ask a provider for one short answer.",
        PROVIDER,
        result={"name": "text", "model": "text", "first_token_ms": "integer"},
        errors=(e.AGENT_NOT_FOUND, e.AGENT_SPAWN_FAILED, e.PROVIDER_FAILED, e.NETWORK_ERROR),
    ),
    Operation(
        "provider.remove",
        "DELETE",
        "/v1/providers/{provider}",
        "Forget a provider and its key.",
        PROVIDER,
        result={"name": "text", "removed": "true"},
        errors=(e.AGENT_NOT_FOUND,),
    ),
    Operation(
        "model.list",
        "GET",
        "/v1/models",
        "The models that `ask --model` takes.",
        result={"models": [{"id": "what to give", "provider": "text", "default": "boolean"}]},
    ),
)
