"""Fetches what is new of the packs, in a poll and over its connection.

Whatever goes wrong here is a sentence for the owner and nothing else: an update does not wait for
a list of holidays, and the next poll asks again.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from tuf.api.metadata import Targets

from client_sim.content.checks import check_entries
from client_sim.content.index import File, Index, Pack, decode_index
from client_sim.content.kinds import ROLES, Kind, kinds_of
from client_sim.content.plan import is_open, plan_listing, plan_parts
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
    poll, or none of them counts; they are stored when all have come, so that what is asked for
    does not tell how much room there is.
    """
    store = Store(trust.state)
    update = _Update(connection, store, warnings)
    for name in ROLES:
        role = trust.verified.role(name) if name in roles else None
        if role is not None:
            try:
                update.follow(name, role)
            except (StateError, StorageError) as error:
                warnings.append(f"Public content stays as it is: {error}")
    warnings += [said for said in store.forgotten.values() if said not in " ".join(warnings)]


_Listed = tuple[Kind, Pack, Record]


@dataclass(slots=True)
class _Update:
    connection: Connection
    store: Store
    warnings: list[str]

    def follow(self, name: str, role: Targets) -> None:
        """Bring the packs of a role up to date; raises DeviceError where the poll cannot go on."""
        # In each poll, so that it does not show when the owner asked for what is damaged.
        self.store.forget_damaged(name)
        if self.store.is_seen(name, role.version):
            return
        index = self._read_index(name, role)
        listed = [
            (kind, pack, record)
            for kind in kinds_of(name)
            if (pack := index.packs.get(kind.name)) is not None
            and (record := self._list(kind, pack)) is not None
        ]
        failed = self._keep_listed(name, listed)
        parts: dict[str, bytes] = {}
        are_all = all(self._fetch_parts(kind, pack, record, parts) for kind, pack, record in listed)
        if failed is not None:
            raise failed
        if are_all:
            self._complete(name, role.version, parts, listed, index)
        # Where some did not come nothing counts: which ones did is the server's choice, and the
        # next poll would carry that back to it.
        self.store.sweep()

    def _keep_listed(self, name: str, listed: Sequence[_Listed]) -> StorageError | None:
        """Remember what is listed, and return why that failed: to be raised behind the requests."""
        try:
            self.store.keep(name, {kind: record for kind, _, record in listed})
        except StorageError as error:
            return error
        return None

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
            return plan_listing(self.store.load(kind), pack)
        except ContentError as error:
            self.warnings.append(f"The pack {kind.name} is passed over: {error}")
            return None

    def _fetch_parts(self, kind: Kind, pack: Pack, record: Record, parts: dict[str, bytes]) -> bool:
        """Add the parts that are missing of a kind to `parts`; return whether every one came."""
        for number in plan_parts(record):
            file = pack.parts[number]
            path = f"/targets/{kind.role}/{kind.name}/{file.sha256}.{number:02}.xz"
            data = self.connection.get_if_there(path, limit=file.length)
            if data is None or hashlib.sha256(data).hexdigest() != file.sha256:
                self.warnings.append(f"Part {number} of the pack {kind.name} does not come.")
                return False
            parts[file.sha256] = data
        return True

    def _complete(
        self,
        name: str,
        version: int,
        parts: Mapping[str, bytes],
        listed: Sequence[_Listed],
        index: Index,
    ) -> None:
        """Store what came, and remember at once for all kinds whether their packs may be used."""
        try:
            for sha256, data in parts.items():
                self.store.keep_part(sha256, data)
            judged = {
                kind: record
                for kind, pack, listed_record in listed
                if (record := self._judge(kind, listed_record, pack, index)) is not None
            }
            are_judged = len(judged) == len(listed) and not any(
                is_open(record) for record in judged.values()
            )
            self.store.keep(name, judged, seen=version if are_judged else None)
        except StorageError:
            self.store.sweep()
            raise

    def _judge(self, kind: Kind, record: Record, pack: Pack, index: Index) -> Record | None:
        """Return the record of a pack whose parts have all come, with a verdict where it is open.

        It stays open where none could be found. None where a part was damaged as it was stored:
        then it counts as one that did not come.
        """
        if not is_open(record):
            return record
        record = replace(record, fetched=frozenset(file.sha256 for file in pack.parts))
        try:
            entries = self.store.load_entries(kind, pack)
            check_entries(
                kind.name,
                entries,
                hosts=index.hosts,
                pictures=pack.pictures,
                wallpapers=index.wallpapers,
            )
        except ContentError as error:
            self.warnings.append(f"Version {pack.version} of {kind.name} is not used: {error}")
            return replace(record, verdict="bad")
        except StateError as error:
            self.warnings.append(str(error))
            return None
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - no update waits for a table, nor for the memory that it takes
            self.warnings.append(
                f"Version {pack.version} of {kind.name} could not be looked at, which the next"
                f" poll tries again: {error!r}"
            )
            return record
        return replace(record, verdict="ready")
