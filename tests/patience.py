"""How long tests wait for an event: one limit, long enough for the busiest machine."""

import time

PATIENCE = 300.0
"""Seconds without the event after which a test gives up. Tests make no claim about times."""


def until(condition):
    """Wait until a condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.01)
