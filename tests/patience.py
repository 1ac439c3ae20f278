"""How long tests wait for an event: one limit, long enough for the busiest machine."""

import time

PATIENCE = 300.0
"""Seconds without the event after which a test gives up. Tests do not measure times by it."""


def until(condition):
    """Wait until a condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.01)
