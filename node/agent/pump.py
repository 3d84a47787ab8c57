"""Bring what a model says into a run's inbox, no faster than the run takes it."""

import contextlib
from collections.abc import Callable, Sequence

from crdt import errors
from node.agent import steps
from node.agent.inbox import Inbox
from node.agent.ports import ChatMessage, ModelDelta, ModelDone, ModelLost, ModelSource
from node.api.failures import failure_of


async def pump(
    source: ModelSource, messages: Sequence[ChatMessage], inbox: Inbox, count: Callable[[ModelDone], None]
) -> None:
    """Stream one answer into `inbox`, ending in `ModelFinished`, `Broke` or `Cut`; `count` gets its tokens.

    Cancelling it closes the model's stream.
    """
    try:
        async with contextlib.aclosing(source.stream(messages)) as stream:
            async for said in stream:
                if isinstance(said, ModelDelta):
                    await inbox.put_when_room(steps.Delta(said.kind, said.text, 0))
                elif isinstance(said, ModelDone):
                    count(said)
                    inbox.put(steps.ModelFinished(said.reason))
                    return
                else:
                    call = steps.ToolCall(said.id, said.name, said.input)
                    await inbox.put_when_room(steps.ToolRequested(call))
        inbox.put(steps.Broke(errors.PROVIDER_FAILED("The model's answer ended without an end.")))
    except ModelLost as lost:
        inbox.put(steps.Cut(lost))
    except Exception as error:
        inbox.put(steps.Broke(failure_of(error, "run")))
