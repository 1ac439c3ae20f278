"""Plans what a change makes public: new role files, snapshot, timestamp, and online signatures.

Pure except for the signatures, which are deterministic: the same input gives the same bytes.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, MetaFile, Snapshot, TargetFile, Targets, Timestamp

from server.core.latest import assign_pointers, delegated_roles
from server.core.metadata import encode_metadata
from server.core.names import decode_pointer_path, is_codename, is_latest
from server.core.pointer import Pointer, check_agreement, encode_pointer
from server.core.release import Release, decode_releases
from server.core.release_texts import check_changelogs, check_reasons
from server.publisher.keys.choice import listed_keys
from server.publisher.keys.online_keys import OnlineKeys
from server.publisher.published import Published, Trust
from server.publisher.verify import RoleVersion

LATEST_LIFE = timedelta(days=7)
SNAPSHOT_LIFE = timedelta(days=7)
TIMESTAMP_LIFE = timedelta(days=1)
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Publication:
    """Everything that one change makes public: immutable role files first, the timestamp last."""

    files: tuple[RoleVersion, ...]
    timestamp: bytes
    snapshot_version: int

    def leaves(self) -> list[tuple[str, int, str]]:
        """Return its log entries: role, version and sha256 of each file except the snapshot."""
        return [
            (file.role, file.version, hashlib.sha256(file.data).hexdigest())
            for file in self.files
            if file.role != "snapshot"
        ]


def plan_publication(
    trust: Trust,
    published: Published | None,
    submitted: Sequence[RoleVersion],
    pointers: Mapping[str, Pointer],
    keys: OnlineKeys,
    now: datetime,
    *,
    renew: bool = False,
    used: Mapping[str, int] = MappingProxyType({}),
) -> Publication:
    """Return what to publish so that phones see `trust` with `pointers`.

    `renew` signs latest and snapshot again although nothing in them changed. `used` is the newest
    version of each online role that was logged or signed, published or not: it is not reused.
    `submitted` are the role files that are new in `trust`. Raises ReleaseError if a changed
    pointer, or any pointer of a changed codename role, offers what the role does not list, and if a
    new text is not plain text. Of several submitted versions of a role only the last one is
    checked.
    """
    former = {} if published is None else published.pointers()
    changed = {file.role for file in submitted}
    check_pointers(
        trust,
        {
            path: pointer
            for path, pointer in pointers.items()
            if pointer != former.get(path) or decode_pointer_path(path).codename in changed
        },
    )
    check_reasons(former, pointers)
    known = {} if published is None else published.roles
    for name in filter(is_codename, changed):
        check_changelogs(known.get(name), trust.roles[name])
    files = list(submitted)
    versions = {} if published is None else published.versions()
    versions["targets"] = trust.targets.version
    versions |= {name: trust.roles[name].version for name in changed & trust.roles.keys()}
    for role, paths in assign_pointers(pointers, delegated_roles(trust.targets)).items():
        before = None if published is None else published.roles.get(role)
        listed = {path: pointers[path] for path in paths}
        if before is None or renew or listed != {path: former[path] for path in before.targets}:
            newest = 0 if before is None else before.version
            versions[role] = max(newest, used.get(role, 0)) + 1
            files.append(_sign_pointers(role, versions[role], listed, keys.signers["latest"], now))
    snapshot_version = 0 if published is None else published.snapshot.version
    if published is None or renew or files:
        snapshot_version = max(snapshot_version, used.get("snapshot", 0)) + 1
        snapshot = Snapshot(
            version=snapshot_version,
            expires=now + SNAPSHOT_LIFE,
            meta={f"{role}.json": MetaFile(version) for role, version in sorted(versions.items())},
        )
        data = _sign(Metadata(snapshot), keys.signers["snapshot"])
        files.append(RoleVersion("snapshot", snapshot_version, data))
    newest = 0 if published is None else published.timestamp.version
    timestamp = Timestamp(
        version=max(newest, used.get("timestamp", 0)) + 1,
        expires=now + TIMESTAMP_LIFE,
        snapshot_meta=MetaFile(snapshot_version),
    )
    data = _sign(Metadata(timestamp), keys.signers["timestamp"])
    return Publication(tuple(files), data, snapshot_version)


def newest_signature(published: Published) -> datetime:
    """Return the newest signing time of the public online roles."""
    return max(_signing_times(published).values())


def earliest_time(published: Published, trust: Trust) -> datetime:
    """Return the earliest time that the next signature after `published`, under `trust`, may have.

    Signatures by a key that `trust` removes do not count: the key may have been stolen. If they
    did, a thief could sign a time far ahead, and all later signatures would have to follow it.
    """
    times = _signing_times(published)
    trusted_times = [
        times[name]
        for name in times
        if set(listed_keys(name, published.root, published.targets))
        <= set(listed_keys(name, trust.root, trust.targets))
    ]
    return max(trusted_times, default=datetime.min.replace(tzinfo=UTC))


def _signing_times(published: Published) -> dict[str, datetime]:
    """Return when each online role was signed; for `latest`, its most recently signed part."""
    return {
        "timestamp": published.timestamp.expires - TIMESTAMP_LIFE,
        "snapshot": published.snapshot.expires - SNAPSHOT_LIFE,
        "latest": max(_latest_expiries(published)) - LATEST_LIFE,
    }


def plan_refresh(published: Published, now: datetime) -> str:
    """Return what must be signed again at `now`: "timestamp", "all", or "" for nothing.

    The timestamp is renewed when it is an hour old, latest and snapshot at half of their lifetime.
    """
    if (
        published.snapshot.expires - now < SNAPSHOT_LIFE / 2
        or min(_latest_expiries(published)) - now < LATEST_LIFE / 2
    ):
        return "all"
    if published.timestamp.expires - now <= TIMESTAMP_LIFE - timedelta(hours=1):
        return "timestamp"
    return ""


def check_pointers(trust: Trust, pointers: Mapping[str, Pointer]) -> None:
    """Raise ReleaseError unless every pointer offers only what its codename role lists."""
    releases: dict[str, dict[str, Release]] = {}
    files: dict[str, dict[str, tuple[int, str]]] = {}
    for path, pointer in pointers.items():
        channel = decode_pointer_path(path)
        name = channel.codename
        if name not in releases:
            role = trust.roles.get(name)
            targets = {} if role is None else role.targets
            releases[name] = {} if role is None else decode_releases(role)
            files[name] = {p: (t.length, t.hashes["sha256"]) for p, t in targets.items()}
        check_agreement(channel, pointer, releases[name], files[name])


def _latest_expiries(published: Published) -> list[datetime]:
    return [role.expires for name, role in published.roles.items() if is_latest(name)]


def _sign_pointers(
    role: str,
    version: int,
    pointers: Mapping[str, Pointer],
    signer: Signer,
    now: datetime,
) -> RoleVersion:
    targets = {
        path: TargetFile(
            0, {"sha256": EMPTY_SHA256}, path, {"custom": encode_pointer(pointers[path])}
        )
        for path in sorted(pointers)
    }
    latest = Targets(version=version, expires=now + LATEST_LIFE, targets=targets)
    return RoleVersion(role, version, _sign(Metadata(latest), signer))


def _sign(
    metadata: Metadata[Targets] | Metadata[Snapshot] | Metadata[Timestamp], signer: Signer
) -> bytes:
    metadata.sign(signer)
    return encode_metadata(metadata)
