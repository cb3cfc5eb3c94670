"""Waiting for something to become true, by looking again and again."""

import time

PATIENCE = 30.0
BETWEEN = 0.03


def until(look, what="it", patience=PATIENCE):
    """Calls `look` until it gives something true, and returns that.

    `what` says in the failure what did not happen. The patience is there to end a hopeless wait,
    not to measure: on a slow machine it may be raised without changing what a test says.
    """
    end = time.monotonic() + patience
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {patience:g} s; last seen: {found!r}")
        time.sleep(BETWEEN)
