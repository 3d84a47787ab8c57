"""The screen: threads, a conversation that is live, a composer. `run` is what `opensesh` alone opens."""


def run() -> int:
    """Open the screen until the person leaves; the exit code. Starts the node if it isn't running."""
    from client.screen.app import main

    return main()
