"""Records of packs in the phone's state."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal, get_args

from client_sim.content.index import File, Origin, Pack
from client_sim.content.part import encode_canonical
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

    def files(self) -> frozenset[str]:
        """Return the sha256 of all parts that are kept."""
        packs = [pack for pack in (self.used, self.before) if pack is not None]
        kept = {file.sha256 for pack in packs for file in pack.parts}
        return self.fetched | kept


def encode_record(record: Record) -> bytes:
    """Return the bytes of a record."""
    packs = {name: _encode_pack(getattr(record, name)) for name in ("before", "listed", "used")}
    return encode_canonical(
        {**packs, "fetched": sorted(record.fetched), "schema": 1, "verdict": record.verdict}
    )


@lru_cache(_CACHED)
def decode_record(data: bytes) -> Record:
    """Return the record in bytes that `encode_record` made; raises StateError for others."""
    damaged = StateError("The phone's record of public content is damaged.")
    try:
        value = json.loads(data)
        record = Record(
            listed=_decode_pack(value["listed"]),
            fetched=frozenset(value["fetched"]),
            verdict=value["verdict"],
            used=_decode_pack(value["used"]),
            before=_decode_pack(value["before"]),
        )
        is_same = encode_record(record) == data and record.verdict in get_args(Verdict)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise damaged from None
    if not is_same:
        raise damaged
    return record


def _encode_pack(pack: Pack | None) -> dict[str, Any] | None:
    if pack is None:
        return None
    # Not `asdict`, which would copy every number, and each poll encodes records.
    return {
        "end": pack.end,
        "parts": [_encode_file(file) for file in pack.parts],
        "pictures": {name: _encode_file(file) for name, file in pack.pictures.items()},
        "rollout": pack.rollout,
        "sources": [
            {"licence": each.licence, "name": each.name, "version": each.version}
            for each in pack.sources
        ],
        "start": pack.start,
        "title": pack.title,
        "version": pack.version,
        "withdrawn": pack.withdrawn,
    }


def _encode_file(file: File) -> dict[str, Any]:
    return {"length": file.length, "sha256": file.sha256}


def _decode_pack(value: Mapping[str, Any] | None) -> Pack | None:
    if value is None:
        return None
    return Pack(
        **{
            **value,
            "sources": tuple(Origin(**source) for source in value["sources"]),
            "withdrawn": tuple(value["withdrawn"]),
            "rollout": tuple((start, permille) for start, permille in value["rollout"]),
            "parts": tuple(File(**file) for file in value["parts"]),
            "pictures": {name: File(**file) for name, file in value["pictures"].items()},
        }
    )


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
