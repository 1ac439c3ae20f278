"""Tools for a thief of a codename's key: edit its role freely, sign it, submit it or serve it.

No rule of the signer applies here. A role is read from a signer's folder or a public tree, edited
as python-tuf's own object, and signed with the stolen keys. It then goes to a server by its API
(`submit`), or to phones with stolen online keys (`plant`, with `thief_server.serving`).
"""

import copy
import hashlib
import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, TargetFile, Targets
from tuf.api.serialization.json import JSONSerializer

from server.core.pointer import decode_pointer
from signer.bundle_writer import Blob
from signer.keys.key_file import decode_key_file
from signer.ota.inspect import inspect_ota
from signer.remote.connection import Connection, Server, decode_address
from signer.remote.submitter import make_outgoing, submit_outgoing

_PROPERTIES = ("FILE_HASH", "FILE_SIZE", "METADATA_HASH", "METADATA_SIZE")


def load_role(metadata: Path, role: str) -> Metadata:
    """Return the newest version of `role` in a folder of files `N.ROLE.json`.

    The folder is `metadata` of a signer's working folder, or `public/metadata` of a server's state.
    """
    form = re.compile(rf"([0-9]+)\.{role}\.json")
    versions = [
        int(found[1]) for path in metadata.iterdir() if (found := form.fullmatch(path.name))
    ]
    return Metadata.from_bytes((metadata / f"{max(versions)}.{role}.json").read_bytes())


def load_key(keys: Path, name: str, passphrase: str) -> CryptoSigner:
    """Load the private key NAME.key from a signer's key folder."""
    pem = (keys / f"{name}.key").read_bytes()
    return CryptoSigner(decode_key_file(name, pem, passphrase.encode()))


def next_version(current: Targets, expires: int, **custom: object) -> Targets:
    """Return a copy of a role with the next version, to be edited; `expires` is in epoch seconds.

    `custom` is merged into the role's own `custom`, for instance `floor_time`.
    """
    following = copy.deepcopy(current)
    following.version += 1
    following.expires = datetime.fromtimestamp(expires, UTC)
    if custom:
        old = current.unrecognized_fields.get("custom", {"floor": 0, "schema": 1})
        following.unrecognized_fields["custom"] = old | custom
    return following


def list_package(role: Targets, path: str, package: Path, **lies: object) -> None:
    """List a package in `role` under `path`, with its true metadata except for `lies`.

    `lies` must contain the counter. The package is not verified.
    """
    facts = inspect_ota(package)
    custom = {
        "changelog": {},
        "fingerprint": facts.fingerprint,
        "incremental": facts.incremental,
        "min_counter": 0,
        "payload_properties": {name: facts.payload_properties[name] for name in _PROPERTIES},
        "post_timestamp": facts.post_timestamp,
        "property_files": facts.streaming_property_files,
        "schema": 1,
        "sdk_level": facts.sdk_level,
        "security_patch_level": facts.security_patch_level,
        "source_builds": list(facts.source_builds),
        "type": facts.type,
        "withdrawn": False,
    }
    target = TargetFile(facts.length, {"sha256": facts.sha256}, path, {"custom": custom | lies})
    role.targets[path] = target


def sign(signed: object, *signers: CryptoSigner) -> bytes:
    """Return the bytes of `signed`, of any role, with a signature by each of `signers`."""
    metadata = Metadata(signed)
    for signer in signers:
        metadata.sign(signer, append=True)
    return metadata.to_bytes(JSONSerializer(compact=True))


def submit(api: str, token: str, files: dict[tuple[str, int], bytes], *packages: Path) -> int:
    """Submit role files and packages over the API at `api`, as `hening-signer` does.

    `files` has bytes by role and version. Returns the snapshot that lists them; raises
    ServerRefusal with the server's reason.
    """
    blobs = []
    for path in packages:
        data = path.read_bytes()
        blobs.append(Blob(path, len(data), hashlib.sha256(data).hexdigest()))
    address = decode_address(api)
    connection = Connection(address, token, None)
    try:
        server = Server(connection, address.authority, time.sleep)
        outgoing = make_outgoing(files, blobs)
        return submit_outgoing(server, outgoing, os.urandom, lambda _done, _all: None).snapshot
    finally:
        connection.close()


def offer(thief, role: Targets, path: str, *, ahead: int = 1) -> int:
    """Offer a listed package to everyone with stolen online keys, and no other package.

    Returns a version of `latest` for `plant`, `ahead` versions above the published one.
    """
    target = role.targets[path]
    custom = target.custom
    sha256 = target.hashes["sha256"]
    package = {"p": path, "z": target.length, "x": sha256, "b": custom["source_builds"]}
    step = {
        "n": custom["counter"],
        "t": custom["post_timestamp"],
        "l": custom["security_patch_level"],
        "m": custom["min_counter"],
        "k": [package],
    }
    pointer = {"v": 1, "s": [step], "r": [[0, 1000]], "p": False, "h": False, "t": {}}
    name = f"latest/{path.rpartition('/')[0]}"
    version = thief.world.published().roles["latest"].version + ahead
    thief.latest(version, {name: decode_pointer(name, pointer)})
    return version


def plant(thief, files, packages=(), *, ahead=1, **others) -> None:
    """Let a `tests.flows.cached_phones.Thief` serve role files, with proofs by the stolen log key.

    `files` has version and bytes by role, `packages` pairs of target path and file. Timestamp and
    snapshot are signed `ahead` versions above the published ones. `others` are versions of further
    roles that the thief has signed, such as `latest`.
    """
    for role, (version, data) in files.items():
        thief.lies[f"/metadata/{version}.{role}.json"] = data
        thief.prove(role, version, data)
    for path, package in packages:
        folder, _, name = path.rpartition("/")
        data = package.read_bytes()
        thief.lies[f"/targets/{folder}/{hashlib.sha256(data).hexdigest()}.{name}"] = data
    published = thief.world.published()
    snapshot = published.snapshot.version + ahead
    thief.snapshot(snapshot, **{role: version for role, (version, _) in files.items()}, **others)
    thief.timestamp(published.timestamp.version + ahead, snapshot)
