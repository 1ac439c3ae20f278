"""Records jumps of the wall clock, also on disk, and keeps unsettled jumps out of signatures.

A jump ahead by more than `FAR` never settles until an operator confirms it (ADR 36).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
from prometheus_client import Gauge

from server.core.errors import FormatError, HeningError
from server.core.metadata import decode_timestamp
from server.publisher.expiry.alarms import REPEAT_AFTER
from server.publisher.plan import TIMESTAMP_LIFE
from server.storage.bounded import read_bounded
from server.storage.durable import write_durable
from server.storage.layout import StateFolder
from server.storage.tree import read_role

JUMP = timedelta(seconds=60)
SETTLE = 600.0  # seconds: long enough for a time service to take a wrong step back
FAR = timedelta(hours=12)
"""Half a timestamp's lifetime: if a smaller jump is waited for, nothing expires meanwhile."""
_RECORD_LIMIT = 1024


class SteadyClock:
    """Returns the wall clock's time and, while a jump settles, the time without the jump.

    `wall` is the clock of the machine, `monotonic` counts seconds and never jumps. `notice` is
    called once for each jump, `say` with its outcome. `since` is a time that a signature or an
    operator vouched for: if the wall clock is more than `FAR` ahead of it, the clock starts at
    `since`.
    """

    def __init__(
        self,
        wall: Callable[[], datetime],
        monotonic: Callable[[], float],
        notice: Callable[[str], None],
        say: Callable[[str], None],
        since: datetime | None,
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
        self._say("the clock was confirmed: its time is used from now on.")

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
                else f"the clock was steady for {SETTLE / 60:.0f} minutes: its time is used now."
            )
            return wall
        return steady


def _sentence(jump: timedelta, wall: datetime) -> str:
    until = (
        "until an operator runs `hening-server clock confirm`"
        if jump > FAR
        else f"until it has been steady for {SETTLE / 60:.0f} minutes"
    )
    return (
        f"the clock jumped by {jump.total_seconds():+.0f} s to {wall:%Y-%m-%d %H:%M:%S} UTC: check"
        f" the time service; {until}, the server continues from the time before the jump."
    )


class ClockRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the wall clock was last doubted, and when an operator confirmed it; 0 for never.

    Both in epoch seconds of that wall clock.
    """

    doubted: int = 0
    confirmed: int = 0

    @property
    def is_doubted(self) -> bool:
        """Whether the clock was doubted and not confirmed since."""
        return self.doubted > self.confirmed


@dataclass(frozen=True, slots=True)
class Witness:
    """The newest time that a signature or an operator vouches for, and the clock record."""

    time: datetime | None
    record: ClockRecord


def load_clock_record(folder: StateFolder) -> ClockRecord:
    """Return the record, an empty one without a file; raises FormatError for a malformed file."""
    if not folder.clock.exists():
        return ClockRecord()
    try:
        return msgspec.json.decode(read_bounded(folder.clock, _RECORD_LIMIT), type=ClockRecord)
    except msgspec.MsgspecError as error:
        raise FormatError(f"{folder.clock.name} is malformed: remove it.") from error


def write_clock_record(folder: StateFolder, record: ClockRecord) -> None:
    """Replace the record."""
    write_durable(folder.clock, msgspec.json.encode(record) + b"\n")


def load_witness(folder: StateFolder) -> Witness:
    """Return the newest vouched time; None in a new state folder.

    Each publication and each renewal signs the timestamp, so no signature is later than it.
    """
    record = load_clock_record(folder)
    known = []
    if (folder.public / "metadata" / "timestamp.json").exists():
        timestamp = decode_timestamp(read_role(folder.public, "timestamp", 0)).signed
        known.append(timestamp.expires - TIMESTAMP_LIFE)
    if record.confirmed:
        known.append(datetime.fromtimestamp(record.confirmed, UTC))
    return Witness(max(known, default=None), record)


@dataclass(eq=False)
class ClockKeeper:
    """Polls a steady clock every few seconds, and the record of an operator's confirmation."""

    folder: StateFolder
    wall: Callable[[], datetime]
    steady: SteadyClock
    gauge: Gauge
    say: Callable[[str], None]
    _said: datetime | None = field(default=None, init=False)

    async def poll(self) -> list[str]:
        """Poll once; returns the active alarm, if any."""
        now = self.steady()
        try:
            record = await asyncio.to_thread(load_clock_record, self.folder)
            if self.steady.is_doubted and _is_confirmed(record, self.wall()):
                self.steady.confirm()
                now = self.steady()
            if self.steady.is_doubted is not record.is_doubted:
                at = int(self.wall().timestamp()) if self.steady.is_doubted else 0
                await asyncio.to_thread(
                    write_clock_record, self.folder, ClockRecord(at, record.confirmed)
                )
        except (HeningError, OSError) as error:
            return [str(error)]
        self.gauge.set(self.steady.ahead.total_seconds())
        if not self.steady.is_doubted:
            self._said = None
            return []
        sentence = (
            f"the clock says {self.wall():%Y-%m-%d %H:%M} UTC and is not believed: it is"
            f" {now:%Y-%m-%d %H:%M} without its jump. Correct the clock, or if it is right, run"
            " `hening-server clock confirm`."
        )
        if self._said is None or now - self._said >= REPEAT_AFTER:
            if self._said is not None:  # the jump itself was reported immediately
                self.say(sentence)
            self._said = now
        return [sentence]


def _is_confirmed(record: ClockRecord, wall: datetime) -> bool:
    return abs(wall.timestamp() - record.confirmed) <= FAR.total_seconds()
