"""What is known of the clock beyond this process: the newest signature, doubts, confirmations."""

from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from server.core.errors import FormatError
from server.core.metadata import decode_timestamp
from server.publisher.plan import TIMESTAMP_LIFE
from server.storage.bounded import read_bounded
from server.storage.durable import write_durable
from server.storage.layout import StateFolder

_TIMESTAMP_LIMIT = 16_384
_RECORD_LIMIT = 1024


class ClockRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the wall clock was doubted last, and when a person confirmed it; 0 for never.

    Both in epoch seconds of that wall clock.
    """

    doubted: int = 0
    confirmed: int = 0

    @property
    def is_doubted(self) -> bool:
        """Whether nobody has confirmed the clock since it was doubted."""
        return self.doubted > self.confirmed


@dataclass(frozen=True, slots=True)
class Witness:
    """The newest time that signatures and people vouch for, and how it was recorded."""

    time: datetime | None
    record: ClockRecord


def load_clock_record(folder: StateFolder) -> ClockRecord:
    """Return the record; raises FormatError for a file that is none."""
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
    """Return the newest time that something vouches for; None in a new state folder.

    Each publication and each renewal signs the timestamp, so that none is signed later than it.
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
