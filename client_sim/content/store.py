"""The packs that a phone holds, in its state.

content.KIND     the record of a kind (`record.py`)
part.SHA256      a part's octets as they were fetched
contents.ROLE    the version of the role whose packs have all been seen to, decimal

A part is written before a record names it, and removed after none does any more: a phone that dies
in between holds more than it needs, and never less.
"""

import hashlib
from collections.abc import Callable, MutableMapping
from typing import Any, Final

from client_sim.content.index import Pack
from client_sim.content.kinds import KINDS, Kind
from client_sim.content.part import decode_part
from client_sim.content.plan import plan_use
from client_sim.content.record import Record, decode_record, encode_record
from client_sim.device.errors import ContentError, StateError
from client_sim.device.pointer import bucket
from client_sim.device.records import load_secret

_PART: Final = "part."


class Store:
    """What `state` holds of packs.

    What is damaged is forgotten, and its role counts as not seen to, so that a poll fetches it
    again; `forgotten` are the sentences that say so.
    """

    def __init__(self, state: MutableMapping[str, bytes]) -> None:
        self._state = state
        self.forgotten: dict[str, str] = {}

    def load(self, kind: Kind) -> Record:
        """Return what is remembered of a kind: nothing where it is damaged."""
        octets = self._state.get(f"content.{kind.name}")
        if octets is None:
            return Record()
        try:
            return decode_record(octets)
        except StateError:
            self._forget(kind)
            return Record()

    def keep(self, kind: Kind, record: Record) -> None:
        """Store a record if it says something new."""
        name, octets = f"content.{kind.name}", encode_record(record)
        if self._state.get(name) != octets:
            self._state[name] = octets

    def keep_part(self, sha256: str, octets: bytes) -> None:
        """Store a part."""
        self._state[_PART + sha256] = octets

    def load_entries(self, kind: Kind, pack: Pack) -> dict[str, Any]:
        """Return all entries of a pack by key.

        Raises ContentError for a part that is none, StateError for one that is damaged here.
        """
        entries: dict[str, Any] = {}
        for number, file in enumerate(pack.parts):
            octets = self._state.get(_PART + file.sha256, b"")
            if hashlib.sha256(octets).hexdigest() != file.sha256:
                self._forget(kind)
                raise StateError(self.forgotten[kind.name])
            entries |= decode_part(octets, kind, number)
        return entries

    def is_seen(self, role: str, version: int) -> bool:
        """Tell whether the packs of a version of a role have been seen to."""
        return self._state.get(f"contents.{role}") == str(version).encode()

    def mark_seen(self, role: str, version: int) -> None:
        """Remember that they have been."""
        self._state[f"contents.{role}"] = str(version).encode()

    def settle(self, now: float, entropy: Callable[[int], bytes]) -> None:
        """Use the packs that `now` wants, epoch seconds, and none else."""
        for kind in KINDS.values():
            record = self.load(kind)

            def place(version: int, kind: Kind = kind) -> int:
                secret = load_secret(self._state, entropy)
                return bucket(secret, kind.role, kind.name, "pack", version)

            settled = plan_use(record, now, place)
            if settled != record:
                self.keep(kind, settled)
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
            none = f"The phone has no {kind.name} yet; they come with its polls."
            raise ContentError(self.forgotten.get(kind.name, none))
        return pack, self.load_entries(kind, pack)

    def _forget(self, kind: Kind) -> None:
        self._state.pop(f"content.{kind.name}", None)
        self._state.pop(f"contents.{kind.role}", None)
        self.forgotten[kind.name] = (
            f"What the phone held of {kind.name} was damaged, and is forgotten; the next poll"
            " fetches it again."
        )
