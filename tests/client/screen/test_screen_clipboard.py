"""The terminal's clipboard."""

from client.screen.clipboard import MOST_BYTES, osc_52


def test_a_text_too_long_for_terminals_is_not_sent_in_part() -> None:
    assert osc_52("x" * MOST_BYTES) is not None and osc_52("é" * MOST_BYTES) is None


def test_a_sequence_stays_within_what_terminals_take() -> None:
    assert len(osc_52("x" * MOST_BYTES) or "") <= 100_000
