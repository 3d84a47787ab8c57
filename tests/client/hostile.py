"""Ids, and a text as somebody would write it who wants a reader's terminal to obey."""

THREAD_IDS = ("k3v9" + "a" * 48, "k3v9" + "b" * 48, "zz" + "c" * 50)
HOSTILE = "Evil \x1b]0;owned\x07\x1b[2J\u202egnp.exe\u2028 \x9b31m \u200bx\U000e0041"
