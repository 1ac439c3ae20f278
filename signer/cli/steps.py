"""How long each step of a command took."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


class Steps:
    """Measures the steps of one command with a clock that gives seconds and never goes back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure what is done inside; `name` says what it is, for example `signing`."""
        begin = self._clock()
        yield
        self.seconds[name] = round(self._clock() - begin, 3)

    def print(self) -> None:
        """Print the steps on one line, where they took a second or more."""
        if sum(self.seconds.values()) < 1:
            return
        times = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in self.seconds.items())
        click.echo(f"Took: {times}.")
