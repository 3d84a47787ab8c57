"""What a person is told of a provider's failure, from exceptions as litellm wraps them."""

from itertools import pairwise

import pytest

from node.agent import pipe
from node.agent.ports import ChatMessage
from node.agent.trouble import CAUSES, MESSAGE_CHARS, ProviderTrouble, describe

KEY = "sk-for-the-provider-0123456789"
REQUEST = pipe.Complete(4, "m", "http://x/v1", pipe.Secret(KEY), (ChatMessage("user", "?"),), pipe.Limits())


def wrapped(*chain: Exception) -> Exception:
    """The first, caused by the second, and so on."""
    for outer, inner in pairwise(chain):
        outer.__cause__ = inner
    return chain[0]


def library(name: str, module: str, message: str = "no", status: object = None) -> Exception:
    """An exception of that name from that module."""
    kind = type(name, (Exception,), {"__module__": module})
    error: Exception = kind(message)
    if status is not None:
        error.status_code = status  # type: ignore[attr-defined]
    return error


def told(error: Exception) -> tuple[str, int | None]:
    failed = describe(REQUEST, error)
    assert failed.id == 4
    return failed.kind, failed.status


def test_the_status_of_a_real_response_is_believed_and_a_made_up_one_is_not() -> None:
    real = library("AuthenticationError", "openai", status=401)
    assert told(wrapped(library("AuthenticationError", "litellm.exceptions", status=401), real)) == ("status", 401)
    assert told(library("InternalServerError", "litellm.exceptions", status=500)) == ("broken", None)
    assert told(library("APIError", "openai", status="401")) == ("broken", None), "a status is a number"


def test_a_refused_connection_is_the_network_however_deep_it_is_wrapped() -> None:
    deep = wrapped(
        library("InternalServerError", "litellm.exceptions", status=500),
        library("OpenAIError", "litellm.llms"),
        library("APIConnectionError", "openai._exceptions"),
        library("ConnectError", "httpx"),
    )
    assert told(deep) == ("network", None)


def test_an_exception_raised_while_handling_another_counts_as_its_cause() -> None:
    outer, inner = library("OpenAIError", "litellm"), library("ConnectError", "httpx")
    outer.__context__ = inner
    assert told(outer) == ("network", None)


def test_a_time_out_is_one_by_any_librarys_name() -> None:
    assert told(library("Timeout", "litellm.exceptions", status=408))[0] == "timeout"
    assert told(library("ReadTimeout", "httpx"))[0] == "timeout"


def test_what_litellm_wraps_once_more_in_mid_stream_is_taken_from_the_original() -> None:
    outer = library("MidStreamFallbackError", "litellm.exceptions", "MidStreamFallbackError: …")
    outer.original_exception = library("RateLimitError", "openai", "slow down", 429)  # type: ignore[attr-defined]
    failed = describe(REQUEST, outer)
    assert (failed.kind, failed.status, failed.message) == ("status", 429, "slow down")


def test_what_we_found_ourselves_is_said_in_our_words() -> None:
    assert describe(REQUEST, ProviderTrouble("timeout", "Nothing came.")) == pipe.Failed(4, "timeout", "Nothing came.")


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("litellm.AuthenticationError: AuthenticationError: OpenAIException - no such key", "no such key"),
        ("litellm.Timeout: Timeout: too slow", "too slow"),
        ("Connection error.", "Connection error."),
        ("", "BadRequestError"),
    ],
)
def test_the_message_is_the_providers_own_without_the_librarys_prefixes(raw: str, shown: str) -> None:
    assert describe(REQUEST, library("BadRequestError", "litellm", raw)).message == shown


def test_a_key_in_the_message_is_masked_before_the_message_is_cut() -> None:
    message = "x" * (MESSAGE_CHARS - 5) + KEY + "y" * MESSAGE_CHARS
    failed = describe(REQUEST, library("BadRequestError", "litellm", message))
    assert len(failed.message) == MESSAGE_CHARS and KEY[:4] not in failed.message


def test_causes_that_go_in_a_circle_come_to_an_end() -> None:
    one, two = library("A", "litellm"), library("B", "httpx")
    wrapped(one, two, one)
    assert told(one) == ("broken", None)
    long = [library("A", "litellm") for _ in range(CAUSES)]
    assert told(wrapped(*long, library("ConnectError", "httpx")))[0] == "broken", "nor are endless ones walked"
