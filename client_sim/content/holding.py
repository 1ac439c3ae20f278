"""What a phone remembers of the packs of a role, as one value of its state.

Lines: the sha256 of those behind it in hex; the version of the role whose packs have all been seen
to, decimal, 0 for none; and for each kind its name, a space and its record (`record.py`). All are
written at once: what is asked for next must not tell between which of them power was lost.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from client_sim.content.record import Record, decode_record, encode_record
from client_sim.device.errors import StateError

_CACHED: Final = 64


@dataclass(frozen=True, slots=True)
class Holding:
    """The version of a role that has been seen to, 0 for none, and the records by kind."""

    seen: int = 0
    records: Mapping[str, Record] = field(default_factory=dict)


def encode_holding(holding: Holding) -> bytes:
    """Return the octets of what is remembered of a role."""
    records = (b"%s %s" % (n.encode(), encode_record(r)) for n, r in holding.records.items())
    body = b"".join((b"%d\n" % holding.seen, *sorted(records)))
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


@lru_cache(_CACHED)
def decode_holding(data: bytes) -> Holding:
    """Return what `encode_holding` made octets of; raises StateError for others."""
    digest, _, body = data.partition(b"\n")
    damaged = StateError("The phone's record of public content is damaged.")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise damaged
    try:
        seen, *lines = body.splitlines(keepends=True)
        named = (line.partition(b" ") for line in lines)
        records = {name.decode(): decode_record(record) for name, _, record in named}
        return Holding(int(seen), records)
    except ValueError:
        raise damaged from None
