"""A clock that jumps is noticed, and does not reach a signature before it has settled (ADR 36)."""

from collections.abc import Callable
from datetime import datetime, timedelta

JUMP = timedelta(seconds=60)
SETTLE = 600.0  # seconds: long enough for a time service to take a wrong step back


class SteadyClock:
    """Gives the wall clock's time, and while a jump settles, the time that it would be without it.

    `wall` is the clock of the machine, `monotonic` counts seconds and never jumps. `notice` is told
    once of each jump.
    """

    def __init__(
        self,
        wall: Callable[[], datetime],
        monotonic: Callable[[], float],
        notice: Callable[[str], None],
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._notice = notice
        self._base: tuple[datetime, float] | None = None
        self._seen: tuple[datetime, float] | None = None
        self._jumped: float | None = None

    def __call__(self) -> datetime:
        """Return the time to work with."""
        wall, ticks = self._wall(), self._monotonic()
        before, self._seen = self._seen or (wall, ticks), (wall, ticks)
        jump = wall - before[0] - timedelta(seconds=ticks - before[1])
        if abs(jump) > JUMP:
            if self._jumped is None:
                self._base = before
            self._jumped = ticks
            self._notice(
                f"the clock jumped by {jump.total_seconds():+.0f} s to {wall:%Y-%m-%d %H:%M:%S}"
                " UTC: look at the time service; until it was steady for"
                f" {SETTLE / 60:.0f} minutes the time before the jump goes on."
            )
        if self._jumped is None or self._base is None:
            return wall
        steady = self._base[0] + timedelta(seconds=ticks - self._base[1])
        if ticks - self._jumped >= SETTLE or abs(wall - steady) <= JUMP:
            self._jumped = None
            return wall
        return steady
