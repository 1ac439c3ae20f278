"""Records of packs in the phone's state, and plans: the parts to fetch and the pack to use.

The plans are pure functions of a record (FORMATS section 15).
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, Literal

import msgspec

from client_sim.content.index import File, Pack
from client_sim.device.errors import ContentError, StateError
from client_sim.device.pointer import permille_at

Verdict = Literal["open", "ready", "bad", "turned back"]
"""Verdict on the listed pack: not known yet, good, refused by its schema, refused by the owner."""

_CACHED: Final = 64


@dataclass(frozen=True, slots=True)
class Record:
    """The pack that the index lists, the pack in use and the previous one; each may be missing.

    `fetched` are the sha256 of the parts that count as stored when requests are planned: parts of
    the pack that was listed last, whatever else is stored. So the requests depend on the role
    versions that the phone has seen, and not on the pack in use.
    """

    listed: Pack | None = None
    fetched: frozenset[str] = frozenset()
    verdict: Verdict = "open"
    used: Pack | None = None
    before: Pack | None = None
    schema: Literal[1] = 1

    def files(self) -> frozenset[str]:
        """Return the sha256 of all parts to keep."""
        packs = [pack for pack in (self.used, self.before) if pack is not None]
        in_use = {file.sha256 for pack in packs for file in pack.parts}
        return self.fetched | in_use


def encode_record(record: Record) -> bytes:
    """Encode a record as canonical JSON."""
    return msgspec.json.encode(record, order="sorted") + b"\n"


@lru_cache(_CACHED)
def decode_record(data: bytes) -> Record:
    """Decode the output of `encode_record`; raises StateError for any other bytes."""
    try:
        record = msgspec.json.decode(data, type=Record)
        is_same = encode_record(record) == data
    except (msgspec.MsgspecError, ValueError, RecursionError):
        is_same = False
    if not is_same:
        raise StateError("The phone's record of public content is damaged.")
    return record


@dataclass(frozen=True, slots=True)
class RoleRecord:
    """The phone's record of a role: its last processed version, 0 for none, and records by kind."""

    seen: int = 0
    records: Mapping[str, Record] = field(default_factory=dict)


def encode_role_record(role_record: RoleRecord) -> bytes:
    """Encode the record of a role: a sha256, the version, and the records in order."""
    records = (b"%s %s" % (n.encode(), encode_record(r)) for n, r in role_record.records.items())
    body = b"".join((b"%d\n" % role_record.seen, *sorted(records)))
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


@lru_cache(_CACHED)
def decode_role_record(data: bytes) -> RoleRecord:
    """Decode the output of `encode_role_record`; raises StateError for any other bytes."""
    digest, _, body = data.partition(b"\n")
    damaged = StateError("The phone's record of public content is damaged.")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise damaged
    try:
        seen, *lines = body.splitlines(keepends=True)
        named = (line.partition(b" ") for line in lines)
        records = {name.decode(): decode_record(record) for name, _, record in named}
        return RoleRecord(int(seen), records)
    except ValueError:
        raise damaged from None


def plan_listing(record: Record, pack: Pack) -> Record:
    """Return the record updated by an index that lists `pack`.

    Raises ContentError if the index lists an older version, or the same one with other content.
    """
    listed = record.listed
    if listed is not None and pack.version < listed.version:
        raise ContentError(f"version {pack.version} is listed after version {listed.version}.")
    is_new = listed is None or pack.version > listed.version
    if listed is not None:
        if not is_new and _constants(pack) != _constants(listed):
            raise ContentError(f"version {pack.version} is listed with other parts or texts.")
        withdrawn = {*listed.withdrawn, *pack.withdrawn}
        pack = replace(pack, withdrawn=tuple(sorted(withdrawn)))
    # A phone that was off when its pack was withdrawn sends the same requests as other phones.
    last = pack.version if listed is None else listed.version
    are_stored = not {pack.version, last} & {*pack.withdrawn}
    parts = frozenset(file.sha256 for file in pack.parts)
    return replace(
        record,
        listed=pack,
        fetched=record.fetched & parts if are_stored else frozenset[str](),
        verdict="open" if is_new else record.verdict,
        used=_refresh(record.used, pack),
        before=_refresh(record.before, pack),
    )


def is_open(record: Record) -> bool:
    """Tell whether the listed pack still has to be fetched or checked."""
    pack = record.listed
    return pack is not None and not pack.is_withdrawn and record.verdict == "open"


def plan_parts(record: Record) -> tuple[int, ...]:
    """Return the numbers of the parts to fetch, in ascending order."""
    pack = record.listed
    if pack is None or not is_open(record):
        return ()
    return tuple(
        number for number, file in enumerate(pack.parts) if file.sha256 not in record.fetched
    )


def plan_use(record: Record, now: float, bucket: Callable[[int], int]) -> Record:
    """Return the record with the pack to use at `now`, epoch seconds.

    `bucket` returns this phone's place, 0 to 999, in the rollout of a version.
    """
    used, before = record.used, record.before
    if before is not None and before.is_withdrawn:
        before = None
    if used is not None and not _is_good(used, now):
        used, before = _fall_back(before, now), None
    pack = record.listed
    if (
        pack is not None
        and record.verdict == "ready"
        and _is_good(pack, now)
        and (used is None or used.version < pack.version)
        and bucket(pack.version) < permille_at(pack.rollout, now)
    ):
        used, before = pack, used
    return replace(record, used=used, before=before)


def plan_rollback(record: Record, now: float) -> Record:
    """Return the record after the owner has chosen to use the previous pack again.

    Raises ContentError if there is no usable previous pack.
    """
    used = record.used
    before = _fall_back(record.before, now)
    if used is None or before is None:
        raise ContentError("There is no previous pack that could be used again.")
    is_listed = record.listed is not None and record.listed.version == used.version
    verdict = "turned back" if is_listed else record.verdict
    return replace(record, verdict=verdict, used=before, before=None)


def plan_picture(record: Record, name: str) -> File:
    """Return the picture to request for the wallpaper `name` of the pack in use.

    Raises ContentError unless the current index lists it. A request for an older picture would
    reveal which pack the phone uses, and so its place in a rollout or its owner's choice.
    """
    file = None if record.used is None else record.used.pictures.get(name)
    if file is None:
        raise ContentError(f"The phone knows no wallpaper {name!a}.")
    if record.listed is None or record.listed.pictures.get(name) != file:
        raise ContentError(
            f"The picture of {name} is not listed any more: the wallpapers in use are an older"
            " pack than the published one. Nothing was requested."
        )
    return file


def _is_good(pack: Pack, now: float) -> bool:
    is_time = pack.start <= now and (pack.end is None or now < pack.end)
    return is_time and not pack.is_withdrawn


def _fall_back(before: Pack | None, now: float) -> Pack | None:
    return before if before is not None and _is_good(before, now) else None


def _refresh(stored: Pack | None, pack: Pack) -> Pack | None:
    """Return a stored pack with the current values of the members that may change."""
    if stored is None or stored.version == pack.version:
        return stored and pack
    return replace(stored, withdrawn=pack.withdrawn)


def _constants(pack: Pack) -> Pack:
    """Return a pack without the members that may change while its version stays."""
    return replace(pack, end=None, rollout=(), withdrawn=())
