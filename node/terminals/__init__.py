"""Shared terminals: the program in its PTY, what it prints as chunks in a thread, and the screen others see."""
