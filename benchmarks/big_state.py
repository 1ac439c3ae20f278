"""A state folder like that of a big site: many models, many pointers, a long log.

All metadata is signed by real keys with python-tuf and published by the server's own publisher.
Only the history is artificial: blobs are written to the store, and entries to the log, directly
rather than by a bundle.
"""

import argparse
import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Root, TargetFile, Targets

from benchmarks.full_release import full_release
from server.bootstrap import open_publisher
from server.core.bundle import BlobFile, Bundle, RoleFile, encode_bundle
from server.core.metadata import encode_metadata
from server.core.names import decode_channel, role_pattern
from server.core.pointer import Pointer
from server.core.release import decode_releases
from server.publisher.keys.online_keys import OnlineKeys, create_online_keys, load_online_keys
from server.publisher.published import Published
from server.publisher.publisher import Publisher
from server.publisher.read_back import DiskReadBack
from server.publisher.rollout import plan_offer
from server.storage.database import open_database
from server.storage.layout import StateFolder
from server.storage.local_blobs import LocalBlobs
from server.storage.models import Blob, LogEntry

CHANNELS = ("id/stable", "id/beta", "id/nightly")
DAY = timedelta(days=1)
BUNDLE_ROLES = 990  # that fit into one bundle; further roles are in a second one


def clock() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class BigState:
    """A state folder, the signer of each offline role, and the size of the state."""

    folder: StateFolder
    signers: Mapping[str, CryptoSigner]
    codenames: tuple[str, ...]
    releases: int
    channels: tuple[str, ...] = CHANNELS

    async def next_role(self, codename: str, version: int) -> bytes:
        """Return the signed role `version`, which adds one build, and store the build's blob."""
        role = make_role(codename, self.releases + version - 1, version, self.channels)
        await record_blobs(self.folder, put_blobs(self.folder, [role]))
        return sign(role, self.signers[codename])


def package(codename: str, counter: int) -> bytes:
    """Return the few bytes that represent a package."""
    return b"PK\x03\x04" + f"{codename} {counter}".encode()


def make_role(
    codename: str, builds: int, version: int, channels: tuple[str, ...] = CHANNELS
) -> Targets:
    """Return a role with a full package for each of `builds` builds, each in all `channels`."""
    targets = Targets(version, None, clock() + 90 * DAY)
    for counter in range(1, builds + 1):
        data = package(codename, counter)
        custom = full_release(codename, counter)
        for channel in channels:
            path = f"{codename}/{channel}/{codename}-{counter}-full.zip"
            hashes = {"sha256": hashlib.sha256(data).hexdigest()}
            targets.targets[path] = TargetFile(len(data), hashes, path, {"custom": custom})
    return targets


def sign(signed: Root | Targets, *signers: CryptoSigner) -> bytes:
    """Return signed metadata as bytes."""
    metadata = Metadata(signed)
    for signer in signers:
        metadata.sign(signer, append=True)
    return encode_metadata(metadata)


def submit(folder: StateFolder, files: Mapping[tuple[str, int], bytes]) -> None:
    """Put a bundle without blobs into `incoming`, as the signer does."""
    roles = [
        RoleFile(name, version, hashlib.sha256(data).hexdigest(), len(data))
        for (name, version), data in sorted(files.items())
    ]
    bundle_id, listing = encode_bundle(Bundle(roles=roles, blobs=list[BlobFile]()))
    place = folder.incoming / f".tmp-{bundle_id}"
    (place / "metadata").mkdir(parents=True)
    (place / "bundle.json").write_bytes(listing)
    for (name, version), data in files.items():
        (place / "metadata" / f"{version}.{name}.json").write_bytes(data)
    place.rename(folder.incoming / bundle_id)


def put_blobs(folder: StateFolder, roles: list[Targets]) -> dict[str, int]:
    """Write the blobs of `roles` into the store; return lengths by sha256."""
    store, lengths = LocalBlobs(folder.blobs), {}
    for role in roles:
        for path in role.targets:
            codename, _, rest = path.partition("/")
            counter = int(rest.rpartition(f"{codename}-")[2].partition("-")[0])
            data = package(codename, counter)
            sha256 = hashlib.sha256(data).hexdigest()
            lengths[sha256] = len(data)
            store.path(sha256).parent.mkdir(parents=True, exist_ok=True)
            store.path(sha256).write_bytes(data)
    return lengths


async def record_blobs(folder: StateFolder, lengths: Mapping[str, int]) -> None:
    """Record blobs as verified, as their ingest does."""
    async with open_database(folder.database) as sessions, sessions.begin() as session:
        for sha256, length in lengths.items():
            await session.merge(Blob(sha256=sha256, length=length, verified_at=1))


def size_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options for the size of a state."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, default=400)
    parser.add_argument("--releases", type=int, default=4)
    parser.add_argument("--entries", type=int, default=20_000, help="old entries of the log")
    return parser


async def make_big_state(
    root: Path,
    models: int,
    releases: int,
    entries: int,
    tell: Callable[[str], None],
    channels: tuple[str, ...] = CHANNELS,
) -> BigState:
    """Publish `models` roles of `releases` builds and offer build 1 in every channel.

    The log has `entries` artificial entries before the first published role.
    """
    folder = StateFolder(root)
    create_online_keys(folder.keys, "log.example")
    keys = load_online_keys(folder.keys)
    folder.incoming.mkdir()
    codenames = tuple(f"model{number:03}" for number in range(models))
    offline = ("root", "targets", "tables", "content", *codenames)
    signers = {role: CryptoSigner.generate_ed25519() for role in offline}
    roles = {name: make_role(name, releases, 1, channels) for name in codenames}
    first = {name: signers[name] for name in offline[:BUNDLE_ROLES]}
    files = {("root", 1): _sign_root(keys, signers), ("targets", 1): _sign_targets(keys, first, 1)}
    for name in ("tables", "content"):
        files[name, 1] = sign(Targets(1, None, clock() + 90 * DAY), signers[name])
    files |= {(name, 1): sign(role, signers[name]) for name, role in roles.items()}
    tell(f"{models} roles of {len(files[codenames[0], 1])} bytes")
    folder.trusted_root.parent.mkdir()
    folder.trusted_root.write_bytes(files["root", 1])
    lengths = put_blobs(folder, list(roles.values()))
    async with open_database(folder.database) as sessions, sessions.begin() as session:
        session.add_all(
            LogEntry(index=n, role="past", version=n + 1, sha256=f"{n:064x}", appended_at=1)
            for n in range(entries)
        )
    await record_blobs(folder, lengths)
    state = BigState(folder, signers, codenames, releases, channels)
    later = {key: files.pop(key) for key in list(files) if key[0] not in first}
    alarms: list[str] = []
    async with open_publisher(
        folder, clock, DiskReadBack(folder.public), alarms.append
    ) as publisher:
        submit(folder, files)
        await _publish(publisher)
        if later:
            submit(folder, later | {("targets", 2): _sign_targets(keys, signers, 2)})
            await _publish(publisher)
        await publisher.change_pointers(lambda published: _offer_everywhere(published, channels))
    if alarms:
        raise RuntimeError(alarms[0])
    shutil.rmtree(folder.results)
    return state


async def _publish(publisher: Publisher) -> None:
    for result in await publisher.process_incoming():
        if result.reason:
            raise RuntimeError(result.reason)


def _offer_everywhere(published: Published, channels: tuple[str, ...]) -> dict[str, Pointer]:
    pointers = {}
    start = int(clock().timestamp())
    for codename, role in published.roles.items():
        if not role.targets:
            continue
        files = {path: (t.length, t.hashes["sha256"]) for path, t in role.targets.items()}
        releases = decode_releases(role)
        for name in channels:
            channel = decode_channel(f"{codename}/{name}")
            pointer = plan_offer(channel, 1, releases, files, [(start, 10)], None, start)
            pointers[channel.pointer_path] = pointer
    return pointers


def _sign_root(keys: OnlineKeys, signers: Mapping[str, CryptoSigner]) -> bytes:
    root = Root(version=1, expires=clock() + 365 * DAY, consistent_snapshot=True)
    for role in ("root", "targets"):
        root.add_key(signers[role].public_key, role)
    for role in ("snapshot", "timestamp"):
        root.add_key(keys.signers[role].public_key, role)
    root.unrecognized_fields["custom"] = {"schema": 1, "log": str(keys.log_verifier)}
    return sign(root, signers["root"])


def _sign_targets(keys: OnlineKeys, signers: Mapping[str, CryptoSigner], version: int) -> bytes:
    listed = {name: signer.public_key for name, signer in signers.items()}
    listed = {name: key for name, key in listed.items() if name not in {"root", "targets"}}
    listed["latest"] = keys.signers["latest"].public_key
    targets = Targets(version, None, clock() + 90 * DAY)
    targets.delegations = Delegations(
        {key.keyid: key for key in listed.values()},
        {
            name: DelegatedRole(name, [key.keyid], 1, True, paths=[role_pattern(name)])
            for name, key in listed.items()
        },
    )
    return sign(targets, signers["targets"])
