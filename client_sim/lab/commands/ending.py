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
    """Say what happened and what to do, and end with `status`: 1 a bad input, 3 surroundings."""
    click.echo(f"error: {message}", err=True)
    raise SystemExit(status)


@contextmanager
def ending_with_children() -> Iterator[None]:
    """Let SIGTERM end the processes that work for this one, and then this one, with status 143.

    Without it they would go on alone, and Python would warn of semaphores that nobody removed. The
    handler does not raise where there are processes: whoever waits for their results learns that
    they are gone, and until then the pool is left as it is.
    """
    has_ended = False

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal has_ended
        has_ended = True
        children = active_children()
        for child in children:
            child.terminate()
        if not children:
            raise Ended(number)  # a client that runs right now is none whose process ends

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
