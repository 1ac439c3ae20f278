"""Stores packs in the phone's state.

contents.ROLE    the records of a role's packs (`plan.py`)
part.SHA256      a part's bytes as they were fetched

A part is written before a record names it, and removed after the last record that names it. If the
phone loses power in between, it stores unneeded parts, but lacks none.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any, Final

from client_sim.content.index import Pack, decode_part
from client_sim.content.kinds import KINDS, ROLES, Kind, kinds_of
from client_sim.content.plan import (
    Record,
    RoleRecord,
    decode_role_record,
    encode_role_record,
    plan_use,
)
from client_sim.device.errors import ContentError, StateError, StorageError
from client_sim.device.pointer import bucket
from client_sim.device.records import load_secret

_RECORD: Final = "contents."
_PART: Final = "part."


class Store:
    """The packs in `state`.

    A poll discards damaged packs and marks their role as not processed, so that they are fetched
    again. `discarded` has a message for each discarded role or kind, by its name.
    """

    def __init__(self, state: MutableMapping[str, bytes]) -> None:
        self._state = state
        self.discarded: dict[str, str] = {}

    def load(self, kind: Kind) -> Record:
        """Return the record of a kind; it is empty if the role's records are damaged."""
        return self._load(kind.role).records.get(kind.name, Record())

    def save(self, role: str, records: Mapping[Kind, Record], *, seen: int | None = None) -> None:
        """Store records of a role in one step, if they have changed.

        `seen`, if given, is the role version to mark as processed.
        """
        current = self._load(role)
        by_name = {kind.name: record for kind, record in records.items()}
        updated = RoleRecord(current.seen if seen is None else seen, {**current.records, **by_name})
        if updated != current:
            self._state[_RECORD + role] = encode_role_record(updated)

    def save_part(self, sha256: str, data: bytes) -> None:
        """Store a part."""
        self._state[_PART + sha256] = data

    def load_entries(self, kind: Kind, pack: Pack) -> dict[str, Any]:
        """Return all entries of a pack by key.

        Raises ContentError for an invalid part, StateError for a part that is damaged on the phone.
        """
        entries: dict[str, Any] = {}
        for number, file in enumerate(pack.parts):
            data = self._state.get(_PART + file.sha256, b"")
            if hashlib.sha256(data).hexdigest() != file.sha256:
                raise StateError(_describe_damage(kind.name))
            entries |= decode_part(data, kind, number)
        return entries

    def is_seen(self, role: str, version: int) -> bool:
        """Tell whether the packs of this role version have been processed."""
        return self._load(role).seen == version

    def activate(self, now: float, entropy: Callable[[int], bytes]) -> None:
        """Put the packs for `now`, epoch seconds, into use, and no others."""
        for role in ROLES:
            records = {kind: self.load(kind) for kind in kinds_of(role)}
            updated = {
                kind: plan_use(record, now, self._make_bucket(kind, entropy))
                for kind, record in records.items()
            }
            if updated != records:
                self.save(role, updated)
                self.sweep()

    def discard_damaged(self, role: str) -> None:
        """Discard the kinds of a role that have a damaged part, in one step."""
        current = self._load(role)
        intact = {
            name: record
            for name, record in current.records.items()
            if self._are_intact(record.files())
        }
        damaged = current.records.keys() - intact.keys()
        if damaged:
            self._state[_RECORD + role] = encode_role_record(RoleRecord(0, intact))
            self.discarded |= {name: _describe_damage(name) for name in sorted(damaged)}

    def discard(self, role: str) -> None:
        """Discard all packs of a role."""
        self._state.pop(_RECORD + role, None)
        self.sweep()

    def sweep(self) -> None:
        """Remove the parts that no record names."""
        referenced = {sha256 for kind in KINDS.values() for sha256 in self.load(kind).files()}
        for name in [name for name in self._state if name.startswith(_PART)]:
            if name.removeprefix(_PART) not in referenced:
                self._state.pop(name)

    def load_used(self, kind: Kind) -> tuple[Pack, dict[str, Any]]:
        """Return the pack in use and its entries; raises ContentError if there is none."""
        pack = self.load(kind).used
        if pack is None:
            none = f"The phone has no {kind.name} yet; its polls fetch them."
            raise ContentError(self.discarded.get(kind.role, none))
        return pack, self.load_entries(kind, pack)

    def _make_bucket(self, kind: Kind, entropy: Callable[[int], bytes]) -> Callable[[int], int]:
        def place(version: int) -> int:
            secret = load_secret(self._state, entropy)
            return bucket(secret, kind.role, kind.name, "pack", version)

        return place

    def _load(self, role: str) -> RoleRecord:
        data = self._state.get(_RECORD + role)
        if data is None:
            return RoleRecord()
        try:
            return decode_role_record(data)
        except StateError:
            self._state.pop(_RECORD + role, None)
            self.discarded[role] = _describe_damage(role)
            return RoleRecord()

    def _are_intact(self, parts: Iterable[str]) -> bool:
        try:
            return all(
                hashlib.sha256(self._state.get(_PART + sha256, b"")).hexdigest() == sha256
                for sha256 in parts
            )
        except StorageError:  # an unreadable part
            return False


def _describe_damage(name: str) -> str:
    return f"The phone's copy of {name} is damaged; its polls fetch it again."
