"""How far a run is: one live line on a terminal, a plain line now and then elsewhere."""

from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from client_sim.fleet.sentences import tell_octets
from client_sim.fleet.tally import Tally

_LINES: Final = 10  # lines of a whole run where there is no terminal


class Screen:
    """Use as a context manager; shows nothing when `quiet`."""

    def __init__(
        self, seconds: float, devices: int, *, quiet: bool, console: Console | None = None
    ) -> None:
        self._seconds = seconds
        self._devices = devices
        self._quiet = quiet
        self._console = console or Console(stderr=True, highlight=False)
        self._shown = 0
        self._before = (0.0, 0)
        self._progress: Progress | None = None

    def __enter__(self) -> Self:
        if not self._quiet and self._console.is_terminal:
            self._progress = Progress(
                BarColumn(bar_width=24),
                TextColumn("{task.description}", markup=False),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._progress.start()
            self._progress.add_task("", total=None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def say(self, sentence: str) -> None:
        """Print a sentence."""
        if not self._quiet:
            self._console.print(sentence, markup=False, soft_wrap=True)

    def prepare(self, what: str) -> None:
        """Show what is done before phones poll; a terminal's bar moves until the next step."""
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], description=f"{what} …")
        else:
            self.say(f"{what}.")

    def watch(self, simulated: float, real: float, tally: Tally) -> None:
        """Show the sums so far."""
        if self._quiet:
            return
        if self._progress is not None:
            sentence = self._tell(simulated, real, tally)
            self._progress.update(
                self._progress.task_ids[0],
                total=self._seconds,
                completed=simulated,
                description=sentence,
            )
        elif (step := int(simulated / self._seconds * _LINES)) > self._shown:
            self._shown = step
            self._console.print(self._tell(simulated, real, tally), markup=False, soft_wrap=True)

    def _tell(self, simulated: float, real: float, tally: Tally) -> str:
        at, requests = self._before
        rate = (tally.requests - requests) / (real - at) if real > at else 0.0
        self._before = real, tally.requests
        return (
            f"{simulated / 3600:.1f} h: {tally.polls:,} polls, {rate:,.0f} requests/s,"
            f" {tell_octets(tally.received)} received, {tally.arrived:,} updated,"
            f" {tally.server_failures():,} failed"
        )
