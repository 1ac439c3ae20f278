"""The signed part of each role, without version and expiry (FORMATS sections 2 to 5)."""

import base64
import hashlib
from collections.abc import Sequence
from itertools import product
from typing import Any, Final

from client_sim.lab.servers.contents import Contents
from client_sim.lab.servers.packs import describe_packs, list_files
from client_sim.lab.servers.signing import Key, Keys, encode_verifier, threshold

BUILD_0_TIME: Final = 1_735_689_600
"""The nominal time of build 0: 2025-01-01, in epoch seconds."""

_MODELS: Final = ("armani", "cancro")
_PLACES: Final = tuple(product(("cn", "id"), ("beta", "stable")))
NAMES: Final = tuple((model, *place) for model in _MODELS for place in _PLACES)
"""The model, region and channel of each kind of phone."""

_DAY: Final = 86_400
_PATCH_LEVEL: Final = "2025-01-05"
_TOP: Final = ("root", "targets", "snapshot", "timestamp")
_PUBLIC: Final = ("tables", "content")
_COMMON: Final = {"spec_version": "1.0.34"}
_EMPTY_DIGEST: Final = hashlib.sha256().hexdigest()


def fingerprint(codename: str, counter: int) -> str:
    """Return the fingerprint of a build."""
    return f"Hening/{codename}/{codename}:14/LAB/{counter}:user/release-keys"


def post_timestamp(counter: int) -> int:
    """Return the time of a build (epoch seconds); there is one each day."""
    return BUILD_0_TIME + counter * _DAY


class Describer:
    """Makes the signed part of each role of a repository."""

    def __init__(self, keys: Keys, kinds: Sequence[str]) -> None:
        self._keys = keys
        self._kinds = tuple(kinds)
        self._described: dict[tuple[Contents, str], tuple[dict[str, Any], tuple[Key, ...]]] = {}
        self._blobs: dict[Contents, dict[str, bytes]] = {}

    def roles(self, contents: Contents) -> tuple[str, ...]:
        """Return all roles except snapshot and timestamp, in the order of the targets role."""
        return ("root", "targets", *_MODELS, *_PUBLIC, *_parts(contents), "latest")

    def describe(self, contents: Contents, role: str) -> tuple[dict[str, Any], tuple[Key, ...]]:
        """Return the signed part of a role, and the keys that sign it."""
        found = self._described.get((contents, role))
        if found is None:
            found = (self._describe(contents, role), self.signers(contents, role))
            self._described[contents, role] = found
        return found

    def signers(self, contents: Contents, role: str) -> tuple[Key, ...]:
        """Return as many keys of a role as its threshold requires."""
        return self._keys_of(contents, role)[: threshold(role)]

    def log_key(self, contents: Contents) -> Key:
        """Return the key that signs the log's checkpoints."""
        return self._keys_of(contents, "log")[0]

    def blobs(self, contents: Contents) -> dict[str, bytes]:
        """Return the bytes of every target by its path on the server."""
        found = self._blobs.get(contents)
        if found is None:
            found = self._blobs[contents] = self._make_blobs(contents)
        return found

    def _keys_of(self, contents: Contents, role: str) -> tuple[Key, ...]:
        role = "latest" if role in _parts(contents) else role
        return self._keys.of(role, contents.rotated.count(role))

    def _describe(self, contents: Contents, role: str) -> dict[str, Any]:
        if role == "root":
            return self._root(contents)
        if role == "targets":
            return self._targets(contents)
        if role == "latest" or role in _parts(contents):
            pointers = [self._pointer(contents, *name) for name in NAMES]
            named = [pair for pair in pointers if _holder(contents, pair[0]) == role]
        elif role in _PUBLIC:
            custom, parts = describe_packs(role, self._kinds, contents)
            return {**_COMMON, "_type": "targets", "custom": custom, "targets": parts}
        else:
            named = [
                target
                for region, channel in _PLACES
                for counter in range(1, contents.newest + 1)
                for target in _releases(role, region, channel, counter)
            ]
        return {**_COMMON, "_type": "targets", "targets": dict(named)}

    def _root(self, contents: Contents) -> dict[str, Any]:
        keys = {role: self._keys_of(contents, role) for role in _TOP}
        return {
            **_COMMON,
            "_type": "root",
            "consistent_snapshot": True,
            "keys": {key.keyid: key.description for each in keys.values() for key in each},
            "roles": {
                role: {"keyids": [key.keyid for key in each], "threshold": threshold(role)}
                for role, each in keys.items()
            },
            "custom": {
                "edition": contents.root,
                "log": encode_verifier(self.log_key(contents)),
                "schema": 1,
            },
        }

    def _targets(self, contents: Contents) -> dict[str, Any]:
        roles: dict[str, dict[str, list[str]]] = {
            **{model: {"paths": [f"{model}/*/*/*"]} for model in _MODELS},
            **{role: {"paths": [f"{role}/*/*"]} for role in _PUBLIC},
            **{part: {"path_hash_prefixes": digits} for part, digits in _parts(contents).items()},
            "latest": {"paths": ["latest/*/*/*"]},
        }
        keys = {role: self._keys_of(contents, role) for role in roles}
        delegations = {
            "keys": {key.keyid: key.description for each in keys.values() for key in each},
            "roles": [
                {
                    "keyids": [key.keyid for key in keys[role]],
                    "name": role,
                    **paths,
                    "terminating": True,
                    "threshold": threshold(role),
                }
                for role, paths in roles.items()
            ],
        }
        return {**_COMMON, "_type": "targets", "delegations": delegations, "targets": {}}

    def _pointer(
        self, contents: Contents, codename: str, region: str, channel: str
    ) -> tuple[str, dict[str, Any]]:
        newest = contents.newest
        packages = [
            {
                "b": target["custom"]["source_builds"],
                "p": path,
                "x": target["hashes"]["sha256"],
                "z": target["length"],
            }
            for path, target in _releases(codename, region, channel, newest)
        ]
        step = {"k": packages, "l": _PATCH_LEVEL, "m": 0, "n": newest, "t": post_timestamp(newest)}
        stopped = contents.paused or contents.halted
        custom = {
            "h": contents.halted,
            "p": contents.paused,
            "r": [list(pair) for pair in contents.schedule],
            "s": [step],
            "t": {"en": "Something is looked into."} if stopped else {},
            "v": 1,
        }
        target = {"custom": custom, "hashes": {"sha256": _EMPTY_DIGEST}, "length": 0}
        return f"latest/{codename}/{region}/{channel}", target

    def _make_blobs(self, contents: Contents) -> dict[str, bytes]:
        blobs = {}
        for codename, region, channel in NAMES:
            blobs[f"/targets/latest/{codename}/{region}/{_EMPTY_DIGEST}.{channel}"] = b""
            for counter in range(1, contents.newest + 1):
                for path, target in _releases(codename, region, channel, counter):
                    blobs[_published(path, target)] = _package(path)
        for path, target, data in list_files(self._kinds, contents):
            blobs[_published(path, target)] = data
        return blobs


def _parts(contents: Contents) -> dict[str, list[str]]:
    """Return the hash prefixes of the paths in each part of `latest`."""
    digits, parts = "0123456789abcdef", contents.parts
    return {
        f"latest-{digits[place]}": [*digits[place * 16 // parts : (place + 1) * 16 // parts]]
        for place in range(parts)
    }


def _holder(contents: Contents, path: str) -> str:
    """Return the name of the role that contains a pointer."""
    digit = hashlib.sha256(path.encode()).hexdigest()[0]
    return next((part for part, digits in _parts(contents).items() if digit in digits), "latest")


def _published(path: str, target: dict[str, Any]) -> str:
    folder, _, name = path.rpartition("/")
    return f"/targets/{folder}/{target['hashes']['sha256']}.{name}"


def _package(path: str) -> bytes:
    """Return the bytes of a package or another file, which are few and unique."""
    return f"The bytes of {path}.\n".encode() * 64


def _target(path: str, custom: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    data = _package(path)
    hashes = {"sha256": hashlib.sha256(data).hexdigest()}
    return path, {"custom": custom, "hashes": hashes, "length": len(data)}


def _releases(
    codename: str, region: str, channel: str, counter: int
) -> list[tuple[str, dict[str, Any]]]:
    """Return the full package of a build, and the incremental one from the previous build."""
    folder = f"{codename}/{region}/{channel}"
    sources: list[list[str]] = [[]]
    sources += [[fingerprint(codename, counter - 1)]] if counter > 1 else []
    return [
        _target(
            f"{folder}/{codename}-{counter}-{'incremental' if builds else 'full'}.zip",
            _release(codename, counter, builds),
        )
        for builds in sources
    ]


def _release(codename: str, counter: int, source_builds: list[str]) -> dict[str, Any]:
    digest = base64.b64encode(hashlib.sha256(b"%d" % counter).digest()).decode()
    return {
        "changelog": {"en": "Fixes the alarm clock.", "id": "Memperbaiki jam alarm."},
        "counter": counter,
        "fingerprint": fingerprint(codename, counter),
        "incremental": str(counter),
        "min_counter": 0,
        "payload_properties": {
            "FILE_HASH": digest,
            "FILE_SIZE": "3",
            "METADATA_HASH": digest,
            "METADATA_SIZE": "1",
        },
        "post_timestamp": post_timestamp(counter),
        "property_files": "payload.bin:1:3",
        "schema": 1,
        "sdk_level": 34,
        "security_patch_level": _PATCH_LEVEL,
        "source_builds": source_builds,
        "type": "incremental" if source_builds else "full",
        "withdrawn": False,
    }
