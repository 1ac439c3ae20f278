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
from client_sim.content.plan import Holding, Record, decode_holding, encode_holding, plan_use
from client_sim.device.errors import ContentError, StateError, StorageError
from client_sim.device.pointer import bucket
from client_sim.device.records import load_secret

_HOLDING: Final = "contents."
_PART: Final = "part."


class Store:
    """The packs in `state`.

    A poll discards damaged packs and marks their role as not processed, so that they are fetched
    again. `forgotten` has a message for each discarded role or kind, by its name.
    """

    def __init__(self, state: MutableMapping[str, bytes]) -> None:
        self._state = state
        self.forgotten: dict[str, str] = {}

    def load(self, kind: Kind) -> Record:
        """Return the record of a kind; it is empty if the role's records are damaged."""
        return self._load(kind.role).records.get(kind.name, Record())

    def keep(self, role: str, records: Mapping[Kind, Record], *, seen: int | None = None) -> None:
        """Store records of a role in one step, if they have changed.

        `seen`, if given, is the role version to mark as processed.
        """
        held = self._load(role)
        named = {kind.name: record for kind, record in records.items()}
        holding = Holding(held.seen if seen is None else seen, {**held.records, **named})
        if holding != held:
            self._state[_HOLDING + role] = encode_holding(holding)

    def keep_part(self, sha256: str, data: bytes) -> None:
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
                raise StateError(_tell_damaged(kind.name))
            entries |= decode_part(data, kind, number)
        return entries

    def is_seen(self, role: str, version: int) -> bool:
        """Tell whether the packs of this role version have been processed."""
        return self._load(role).seen == version

    def settle(self, now: float, entropy: Callable[[int], bytes]) -> None:
        """Put the packs for `now`, epoch seconds, into use, and no others."""
        for role in ROLES:
            records = {kind: self.load(kind) for kind in kinds_of(role)}
            settled = {
                kind: plan_use(record, now, self._place(kind, entropy))
                for kind, record in records.items()
            }
            if settled != records:
                self.keep(role, settled)
                self.sweep()

    def forget_damaged(self, role: str) -> None:
        """Discard the kinds of a role that have a damaged part, in one step."""
        held = self._load(role)
        whole = {
            name: record for name, record in held.records.items() if self._are_whole(record.files())
        }
        damaged = held.records.keys() - whole.keys()
        if damaged:
            self._state[_HOLDING + role] = encode_holding(Holding(0, whole))
            self.forgotten |= {name: _tell_damaged(name) for name in sorted(damaged)}

    def forget(self, role: str) -> None:
        """Discard all packs of a role."""
        self._state.pop(_HOLDING + role, None)
        self.sweep()

    def sweep(self) -> None:
        """Remove the parts that no record names."""
        kept = {sha256 for kind in KINDS.values() for sha256 in self.load(kind).files()}
        for name in [name for name in self._state if name.startswith(_PART)]:
            if name.removeprefix(_PART) not in kept:
                self._state.pop(name)

    def load_used(self, kind: Kind) -> tuple[Pack, dict[str, Any]]:
        """Return the pack in use and its entries; raises ContentError if there is none."""
        pack = self.load(kind).used
        if pack is None:
            none = f"The phone has no {kind.name} yet; its polls fetch them."
            raise ContentError(self.forgotten.get(kind.role, none))
        return pack, self.load_entries(kind, pack)

    def _place(self, kind: Kind, entropy: Callable[[int], bytes]) -> Callable[[int], int]:
        def place(version: int) -> int:
            secret = load_secret(self._state, entropy)
            return bucket(secret, kind.role, kind.name, "pack", version)

        return place

    def _load(self, role: str) -> Holding:
        data = self._state.get(_HOLDING + role)
        if data is None:
            return Holding()
        try:
            return decode_holding(data)
        except StateError:
            self._state.pop(_HOLDING + role, None)
            self.forgotten[role] = _tell_damaged(role)
            return Holding()

    def _are_whole(self, parts: Iterable[str]) -> bool:
        try:
            return all(
                hashlib.sha256(self._state.get(_PART + sha256, b"")).hexdigest() == sha256
                for sha256 in parts
            )
        except StorageError:  # an unreadable part
            return False


def _tell_damaged(name: str) -> str:
    return f"The phone's copy of {name} is damaged; its polls fetch it again."
