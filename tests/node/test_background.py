"""Work that nobody waits for ends with whoever began it."""

import asyncio

import pytest

from node.background import Background


async def test_what_still_runs_is_ended_by_closing_and_has_cleaned_up_by_then() -> None:
    background, told = Background(), list[str]()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            told.append("cleaned up")

    task = background.begin(work(), "endless")
    await asyncio.sleep(0)
    await background.close()
    assert task.cancelled() and told == ["cleaned up"] and len(background) == 0


async def test_what_is_over_is_let_go_of_and_its_result_is_kept() -> None:
    background = Background()

    async def work() -> int:
        return 7

    task = background.begin(work(), "short")
    assert len(background) == 1 and task.get_name() == "short"
    assert await task == 7
    await asyncio.sleep(0)
    assert len(background) == 0


async def test_closing_does_not_fail_for_what_failed() -> None:
    background = Background()

    async def work() -> None:
        raise ValueError("broken")

    task = background.begin(work(), "failing")
    await asyncio.sleep(0)
    await background.close()
    with pytest.raises(ValueError, match="broken"):
        task.result()
