"""How long tests wait: for an event, with one bound that ends what hangs on the busiest machine."""

import time

PATIENCE = 300.0
"""Seconds without the event after which a test gives up. Nothing is asserted about them."""


def until(condition):
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.01)
