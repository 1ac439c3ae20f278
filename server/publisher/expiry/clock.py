"""Records jumps of the wall clock, also on disk, and keeps them out of signatures until settled."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
from prometheus_client import Gauge

from server.core.errors import FormatError, HeningError
from server.core.metadata import decode_timestamp
from server.publisher.expiry.alarms import AGAIN
from server.publisher.expiry.steady_clock import FAR, SteadyClock
from server.publisher.plan import TIMESTAMP_LIFE
from server.storage.bounded import read_bounded
from server.storage.durable import write_durable
from server.storage.layout import StateFolder

_TIMESTAMP_LIMIT = 16_384
_RECORD_LIMIT = 1024


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
    """The newest time that a signature or an operator vouches for, and how it was recorded."""

    time: datetime | None
    record: ClockRecord


def load_clock_record(folder: StateFolder) -> ClockRecord:
    """Return the record; raises FormatError for a malformed file."""
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
    path = folder.public / "metadata" / "timestamp.json"
    if path.exists():
        timestamp = decode_timestamp(read_bounded(path, _TIMESTAMP_LIMIT)).signed
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
        """Look once; returns the active alarm, if any."""
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
            f" {now:%Y-%m-%d %H:%M} without its jump. Mend it, or where it is right run"
            " `hening-server clock confirm`."
        )
        if self._said is None or now - self._said >= AGAIN:
            if self._said is not None:  # the jump itself was reported immediately
                self.say(sentence)
            self._said = now
        return [sentence]


def _is_confirmed(record: ClockRecord, wall: datetime) -> bool:
    return abs(wall.timestamp() - record.confirmed) <= FAR.total_seconds()
