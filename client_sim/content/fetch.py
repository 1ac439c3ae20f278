"""Fetches what is new of the packs, in a poll and over its connection.

Whatever goes wrong here is a sentence for the owner and nothing else: an update does not wait for
a list of holidays, and the next poll asks again.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace

from tuf.api.metadata import Targets

from client_sim.content.checks import check_entries
from client_sim.content.index import File, Index, Pack, decode_index
from client_sim.content.kinds import ROLES, Kind, kinds_of
from client_sim.content.plan import plan_listing, plan_parts
from client_sim.content.record import Record
from client_sim.content.store import Store
from client_sim.device.errors import ContentError, StateError, StorageError
from client_sim.device.trust import Trust
from client_sim.transport import Connection


def update_contents(
    connection: Connection, trust: Trust, roles: Collection[str], warnings: list[str]
) -> None:
    """Fetch and judge what is missing of the packs that `roles` list, as this poll trusts them.

    What is refused, and what the phone's disk will not hold, is added to `warnings`. Raises
    TransportError when the connection broke. Of a version of a role all parts are fetched in one
    poll, or none of them counts.
    """
    update = _Update(connection, Store(trust.state), warnings)
    try:
        for name in ROLES:
            role = trust.verified.role(name) if name in roles else None
            if role is not None:
                update.follow(name, role)
    except (StateError, StorageError) as error:
        warnings.append(f"Public content stays as it is: {error}")


@dataclass(slots=True)
class _Update:
    connection: Connection
    store: Store
    warnings: list[str]

    def follow(self, name: str, role: Targets) -> None:
        """Bring the packs of a role up to date; raises DeviceError where the poll cannot go on."""
        if self.store.is_seen(name, role.version):
            return
        index = self._read_index(name, role)
        listed = [
            (kind, pack, record)
            for kind in kinds_of(name)
            if (pack := index.packs.get(kind.name)) is not None
            and (record := self._list(kind, pack)) is not None
        ]
        if not all(self._fetch_parts(kind, pack, record) for kind, pack, record in listed):
            # Nothing of it counts: which parts came is the server's choice, and the next poll
            # would carry that back to it.
            self.store.sweep()
            return
        for kind, pack, record in listed:
            self._complete(kind, pack, record, index)
        self.store.mark_seen(name, role.version)
        self.store.sweep()

    def _read_index(self, name: str, role: Targets) -> Index:
        targets = {
            path: (
                File(target.length, target.hashes["sha256"]),
                target.unrecognized_fields.get("custom"),
            )
            for path, target in role.targets.items()
        }
        try:
            index = decode_index(name, role.unrecognized_fields.get("custom"), targets)
        except ContentError as error:
            # Nothing of it is used, and what is held goes on.
            index = Index({}, frozenset(), (str(error),))
        self.warnings += index.warnings
        return index

    def _list(self, kind: Kind, pack: Pack) -> Record | None:
        """Return the record behind the index, or None where that says what cannot be."""
        try:
            record = plan_listing(self.store.load(kind), pack)
        except ContentError as error:
            self.warnings.append(f"The pack {kind.name} is passed over: {error}")
            return None
        self.store.keep(kind, record)
        return record

    def _fetch_parts(self, kind: Kind, pack: Pack, record: Record) -> bool:
        """Return whether every part of a kind that was missing came."""
        for number in plan_parts(record):
            if not self._fetch_part(kind, number, pack.parts[number]):
                self.warnings.append(f"Part {number} of the pack {kind.name} does not come.")
                return False
        return True

    def _complete(self, kind: Kind, pack: Pack, record: Record, index: Index) -> None:
        """Remember that all parts are held, and whether the pack may be used."""
        if record.verdict != "open" or pack.withdrawn:
            return
        parts = frozenset(file.sha256 for file in pack.parts)
        self.store.keep(kind, self._judge(kind, replace(record, fetched=parts), pack, index))

    def _fetch_part(self, kind: Kind, number: int, file: File) -> bool:
        """Fetch and store a part; return false where the server has it not, or another."""
        path = f"/targets/{kind.role}/{kind.name}/{file.sha256}.{number:02}.xz"
        octets = self.connection.get_if_there(path, limit=file.length)
        if octets is None or hashlib.sha256(octets).hexdigest() != file.sha256:
            return False
        self.store.keep_part(file.sha256, octets)
        return True

    def _judge(self, kind: Kind, record: Record, pack: Pack, index: Index) -> Record:
        try:
            entries = self.store.load_entries(kind, pack)
            check_entries(
                kind.name,
                entries,
                hosts=index.hosts,
                pictures=pack.pictures,
                wallpapers=index.wallpapers,
            )
        except (StateError, StorageError):
            raise
        except Exception as error:  # noqa: BLE001 - no update waits for what a library says of a table
            self.warnings.append(f"Version {pack.version} of {kind.name} is not used: {error}")
            return replace(record, verdict="bad")
        return replace(record, verdict="ready")
