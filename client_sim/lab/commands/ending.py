"""How a command of the lab ends where it cannot go on."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import active_children
from types import FrameType
from typing import NoReturn

import click

from client_sim.lab.errors import LabError
from client_sim.lab.scenarios.confines import Ended


def fail(message: str, status: int) -> NoReturn:
    """Print the message, and end with `status`: 1 bad input, 3 a failed environment."""
    click.echo(f"error: {message}", err=True)
    raise SystemExit(status)


@contextmanager
def ending_with_children() -> Iterator[None]:
    """Make SIGTERM end the worker processes, and then this one, with status 143.

    Without it the workers would go on alone, and Python would warn of leaked semaphores. The
    handler does not raise where there are workers: the caller that waits for their results learns
    that they are gone, and until then the pool is left as it is.
    """
    has_ended = False

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal has_ended
        has_ended = True
        children = active_children()
        for child in children:
            child.terminate()
        if not children:
            raise Ended(number)  # not an end that the running client caused

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except (LabError, Ended):
        if not has_ended:
            raise
    finally:
        signal.signal(signal.SIGTERM, before)
    if has_ended:
        raise SystemExit(128 + signal.SIGTERM)
