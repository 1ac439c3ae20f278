"""A clock that holds back a jump of the wall clock until it has settled (ADR 36).

A jump ahead by more than `FAR` never settles by itself: an operator has to confirm it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

JUMP = timedelta(seconds=60)
SETTLE = 600.0  # seconds: long enough for a time service to take a wrong step back
FAR = timedelta(hours=12)
"""Half a timestamp's life: waiting with the old time for a smaller jump lets nothing expire."""


class SteadyClock:
    """Returns the wall clock's time and, while a jump settles, the time without the jump.

    `wall` is the clock of the machine, `monotonic` counts seconds and never jumps. `notice` is
    called once for each jump, `say` with its outcome. `since` is a confirmed time: where it is
    given, and the wall clock is `FAR` ahead of it, the clock begins there.
    """

    def __init__(
        self,
        wall: Callable[[], datetime],
        monotonic: Callable[[], float],
        notice: Callable[[str], None],
        say: Callable[[str], None] = lambda _sentence: None,
        since: datetime | None = None,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._notice = notice
        self._say = say
        self._base: tuple[datetime, float] | None = None
        self._seen: tuple[datetime, float] | None = None
        self._jumped: float | None = None
        self._ahead = timedelta()
        if since is not None and wall() - since > FAR:
            self._seen = since, monotonic()

    @property
    def ahead(self) -> timedelta:
        """By how much the wall clock was ahead of the time returned last."""
        return self._ahead

    @property
    def is_doubted(self) -> bool:
        """Whether the wall clock is so far ahead that only an operator can confirm it."""
        return self._ahead > FAR

    def confirm(self) -> None:
        """Accept the wall clock's time from now on."""
        self._jumped, self._ahead = None, timedelta()
        self._say("the clock was confirmed: its time counts from now on.")

    def __call__(self) -> datetime:
        """Return the time to use."""
        wall, ticks = self._wall(), self._monotonic()
        before, self._seen = self._seen or (wall, ticks), (wall, ticks)
        jump = wall - before[0] - timedelta(seconds=ticks - before[1])
        if abs(jump) > JUMP:
            if self._jumped is None:
                self._base = before
            self._jumped = ticks
            self._notice(_sentence(jump, wall))
        if self._jumped is None or self._base is None:
            return wall
        steady = self._base[0] + timedelta(seconds=ticks - self._base[1])
        self._ahead = wall - steady
        is_back = abs(self._ahead) <= JUMP
        if is_back or (ticks - self._jumped >= SETTLE and not self.is_doubted):
            self._jumped, self._ahead = None, timedelta()
            self._say(
                "the clock is back where it was before it jumped."
                if is_back
                else f"the clock was steady for {SETTLE / 60:.0f} minutes: its time counts now."
            )
            return wall
        return steady


def _sentence(jump: timedelta, wall: datetime) -> str:
    until = (
        "until an operator runs `hening-server clock confirm`"
        if jump > FAR
        else f"until it was steady for {SETTLE / 60:.0f} minutes"
    )
    return (
        f"the clock jumped by {jump.total_seconds():+.0f} s to {wall:%Y-%m-%d %H:%M:%S} UTC: look"
        f" at the time service; {until} the time before the jump goes on."
    )
