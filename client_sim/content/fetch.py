"""Fetches new parts of packs during a poll, over its connection.

Each complete pack is checked by the schema of its kind. A failure is only a message to the owner,
because updates do not depend on packs; the next poll tries again.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tuf.api.metadata import Targets

from client_sim.content.apn import check_apns
from client_sim.content.ca import check_certificates
from client_sim.content.countries import check_emergency, check_holidays
from client_sim.content.greetings import check_greetings
from client_sim.content.index import File, Index, Pack, decode_index
from client_sim.content.kinds import ROLES, Kind, kinds_of
from client_sim.content.notices import check_notices
from client_sim.content.plan import Record, is_open, plan_listing, plan_parts
from client_sim.content.store import Store
from client_sim.content.themes import check_themes, check_wallpapers
from client_sim.content.zones import check_zones
from client_sim.device.errors import ContentError, StateError, StorageError
from client_sim.device.trust import Trust
from client_sim.transport import Connection


def update_contents(
    connection: Connection, trust: Trust, roles: Collection[str], warnings: list[str]
) -> None:
    """Fetch and check the missing parts of the packs in `roles`, which this poll has verified.

    Refused packs and disk errors are added to `warnings`. Raises TransportError if the connection
    breaks. A role version counts only if all its parts arrive in one poll. They are stored when all
    have arrived, so that the requests do not reveal how much disk space is free.
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
    warnings += [
        message for message in store.discarded.values() if message not in " ".join(warnings)
    ]


_Listed = tuple[Kind, Pack, Record]


@dataclass(slots=True)
class _Update:
    connection: Connection
    store: Store
    warnings: list[str]

    def follow(self, name: str, role: Targets) -> None:
        """Update the packs of a role; raises StateError, StorageError and TransportError."""
        # Done in each poll, so that the requests do not reveal when the owner used a damaged pack.
        self.store.discard_damaged(name)
        if self.store.is_seen(name, role.version):
            return
        index = self._read_index(name, role)
        listed = [
            (kind, pack, record)
            for kind in kinds_of(name)
            if (pack := index.packs.get(kind.name)) is not None
            and (record := self._list(kind, pack)) is not None
        ]
        failed: StorageError | None = None
        try:
            self.store.save(name, {kind: record for kind, _, record in listed})
        except StorageError as error:
            failed = error  # raised after the requests
        parts: dict[str, bytes] = {}
        are_all = all(self._fetch_parts(kind, pack, record, parts) for kind, pack, record in listed)
        if failed is not None:
            raise failed
        if are_all:
            self._complete(name, role.version, parts, listed, index)
        # If some parts are missing, all are discarded. The server chooses which parts arrive, and
        # the requests of the next poll would return that choice to it.
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
            # The index is not used, and the packs on the phone stay in use.
            index = Index({}, frozenset(), (str(error),))
        self.warnings += index.warnings
        return index

    def _list(self, kind: Kind, pack: Pack) -> Record | None:
        """Return the record updated by the index, or None if the two are inconsistent."""
        try:
            return plan_listing(self.store.load(kind), pack)
        except ContentError as error:
            self.warnings.append(f"The pack {kind.name} is skipped: {error}")
            return None

    def _fetch_parts(self, kind: Kind, pack: Pack, record: Record, parts: dict[str, bytes]) -> bool:
        """Add the missing parts of a kind to `parts`; return whether all of them arrived."""
        for number in plan_parts(record):
            file = pack.parts[number]
            path = f"/targets/{kind.role}/{kind.name}/{file.sha256}.{number:02}.xz"
            data = self.connection.get_or_none(path, limit=file.length)
            if data is None or hashlib.sha256(data).hexdigest() != file.sha256:
                self.warnings.append(f"Part {number} of the pack {kind.name} was not received.")
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
        """Store the parts, and record the verdicts on the packs of all kinds in one step."""
        try:
            for sha256, data in parts.items():
                self.store.save_part(sha256, data)
            checked = {
                kind: record
                for kind, pack, listed_record in listed
                if (record := self._check_pack(kind, listed_record, pack, index)) is not None
            }
            are_checked = len(checked) == len(listed) and not any(
                is_open(record) for record in checked.values()
            )
            self.store.save(name, checked, seen=version if are_checked else None)
        except StorageError:
            self.store.sweep()
            raise

    def _check_pack(self, kind: Kind, record: Record, pack: Pack, index: Index) -> Record | None:
        """Return the record of a pack with all its parts, with a verdict if it has none yet.

        The verdict stays open if the check failed unexpectedly. Return None if a part was damaged
        while it was stored, which counts as a part that did not arrive.
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
        except Exception as error:  # noqa: BLE001 - no table may stop an update, nor a MemoryError
            self.warnings.append(
                f"Version {pack.version} of {kind.name} could not be checked, and the next poll"
                f" tries again: {error!r}"
            )
            return record
        return replace(record, verdict="ready")


def check_entries(
    kind: str,
    entries: Mapping[str, Any],
    *,
    hosts: Collection[str],
    pictures: Mapping[str, File],
    wallpapers: Collection[str] | None,
) -> None:
    """Check all entries of a pack; raises ContentError.

    `hosts` are the allowed hosts of links, `pictures` the pictures that the index lists with the
    pack. `wallpapers` are the names that a theme may use; None allows any.
    """
    match kind:
        case "features" | "notices":
            check_notices(entries, hosts)
        case "themes":
            check_themes(entries, wallpapers)
        case "wallpapers":
            check_wallpapers(entries, pictures)
        case _:
            _CHECKS[kind](entries)


_CHECKS = {
    "apn": check_apns,
    "ca": check_certificates,
    "emergency": check_emergency,
    "greetings": check_greetings,
    "holidays": check_holidays,
    "zones": check_zones,
}
