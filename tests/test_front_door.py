"""The console entry point: what it does not understand it says, with the code for usage."""

import pytest

import opensesh


def test_an_unknown_command_is_a_usage_error_that_names_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert opensesh.main(["no-such-command"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "E011" in printed.err and "next: See: opensesh --help" in printed.err


def test_help_goes_to_stdout_and_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert opensesh.main(["--help"]) == 0
    assert "relay serve" in capsys.readouterr().out
