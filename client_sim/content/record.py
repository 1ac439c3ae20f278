"""Records of packs in the phone's state."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal

import msgspec

from client_sim.content.index import Pack
from client_sim.device.errors import StateError

Verdict = Literal["open", "ready", "bad", "turned back"]
"""Verdict on the listed pack: incomplete, good, refused by its schema, refused by the owner."""

_CACHED: Final = 64


@dataclass(frozen=True, slots=True)
class Record:
    """The pack that the index lists, the one in use and the previous one; all may be missing.

    `fetched` are the sha256 of parts that count as stored when the next requests are planned: those
    of the pack that was listed last, whatever else is stored. So the requests depend on the role
    versions that the phone has seen, and not on the pack in use.
    """

    listed: Pack | None = None
    fetched: frozenset[str] = frozenset()
    verdict: Verdict = "open"
    used: Pack | None = None
    before: Pack | None = None
    schema: Literal[1] = 1

    def files(self) -> frozenset[str]:
        """Return the sha256 of all parts that are kept."""
        packs = [pack for pack in (self.used, self.before) if pack is not None]
        kept = {file.sha256 for pack in packs for file in pack.parts}
        return self.fetched | kept


def encode_record(record: Record) -> bytes:
    """Return the bytes of a record, canonical JSON."""
    return msgspec.json.encode(record, order="sorted") + b"\n"


@lru_cache(_CACHED)
def decode_record(data: bytes) -> Record:
    """Return the record in bytes that `encode_record` made; raises StateError for others."""
    try:
        record = msgspec.json.decode(data, type=Record)
        is_same = encode_record(record) == data
    except (msgspec.MsgspecError, ValueError, RecursionError):
        is_same = False
    if not is_same:
        raise StateError("The phone's record of public content is damaged.")
    return record


_CACHED_ROLE: Final = 64


@dataclass(frozen=True, slots=True)
class Holding:
    """The version of a role that was processed, 0 for none, and the records by kind."""

    seen: int = 0
    records: Mapping[str, Record] = field(default_factory=dict)


def encode_holding(holding: Holding) -> bytes:
    """Return the bytes of a role's holding."""
    records = (b"%s %s" % (n.encode(), encode_record(r)) for n, r in holding.records.items())
    body = b"".join((b"%d\n" % holding.seen, *sorted(records)))
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


@lru_cache(_CACHED_ROLE)
def decode_holding(data: bytes) -> Holding:
    """Return the holding in bytes that `encode_holding` made; raises StateError for others."""
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
