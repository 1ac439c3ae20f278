"""A signed repository inside a run, for phones under virtual time (ADR 54).

A session is the repository of one run: its public versions, which are signed when they are needed.
Versions depend on the number of the connection, so that phones with different clocks find the same
ones. Expiry times depend on the virtual time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

from client_sim.lab.servers.answers import answer
from client_sim.lab.servers.contents import Contents, Publication
from client_sim.lab.servers.descriptions import NAMES, Describer, fingerprint, post_timestamp
from client_sim.lab.servers.packs import SMALL
from client_sim.lab.servers.signing import (
    Key,
    Keys,
    encode_canonical,
    encode_proof,
    hash_leaf,
    sign_checkpoint,
    sign_metadata,
)
from client_sim.lab.trace.memory import Request
from client_sim.world import BuildFacts, Public

_HOUR: Final = 3_600
_DAY: Final = 86_400
_YEAR: Final = 365 * _DAY
ROOT_EXPIRES: Final = 4_102_444_800
"""2100-01-01 in epoch seconds; a phone's requests must not depend on when its run begins."""

_AVAILABLE: Final = 9  # available versions of a role: the current one and the previous 8

HOST: Final = "updates.hening.example"
_PATCH_LEVELS: Final = ("2024-12-05", "2025-01-05")


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a role is valid, and when it is signed again.

    A role is valid for `days` days from the day of signing. It is renewed `margin` days before it
    expires, or after `connections` connections, which is earlier if polls are at most eight hours
    apart.
    """

    days: int
    margin: int
    connections: int


_ONLINE: Final = Lifetime(days=7, margin=1, connections=12)


_OFFLINE: Final = Lifetime(days=90, margin=5, connections=180)


def _find_lifetime(role: str) -> Lifetime:
    """Return the lifetime of a role; parts of `latest` have the lifetime of `latest`."""
    return _ONLINE if role == "snapshot" or role.startswith("latest") else _OFFLINE


@dataclass(slots=True)
class _Role:
    version: int
    signed: dict[str, Any]
    keys: tuple[Key, ...]
    day: int
    connection: int


class Session:
    """A responder that answers the requests of one run.

    `history` is in the order of publication. Nothing is published during a connection unless the
    virtual time advances.
    """

    def __init__(self, describer: Describer, history: Sequence[Publication]) -> None:
        self._describer = describer
        self._pending = list(history)
        self._contents = Contents()
        self._roles: dict[str, _Role] = {}
        self._files: dict[str, bytes] = {}
        self._paths: dict[str, list[str]] = {}
        self._removed: set[str] = set()
        self._leaves: list[bytes] = []
        self._proofs: dict[str, tuple[int, int]] = {}
        self._timestamp: tuple[int, int, int, tuple[Key, ...]] | None = None
        self._last_request = (-1, 0.0)

    def __call__(self, request: Request) -> bytes:
        """Publish the changes that are due, and answer."""
        if self._last_request != (request.connection, request.now):
            self._last_request = (request.connection, request.now)
            self._publish_due(request.connection, request.now)
        return answer(request.data, request.now, self._find)

    def _find(self, path: str) -> bytes | HTTPStatus:
        found = self._files.get(path)
        if found is not None:
            return found
        if path in self._proofs:
            index, size = self._proofs[path]
            key = self._describer.log_key(self._contents)
            return encode_proof(index, tuple(self._leaves[:size]), key)
        if path == "/log/checkpoint":
            return sign_checkpoint(self._leaves, self._describer.log_key(self._contents))
        if path in self._removed:
            return HTTPStatus.GONE
        return self._describer.blobs(self._contents).get(path, HTTPStatus.NOT_FOUND)

    def _publish_due(self, connection: int, now: float) -> None:
        due = bool(self._roles)  # no second pass if something was just published
        if not self._roles:
            self._publish(connection, now)
        while (
            self._pending
            and connection >= self._pending[0].connection
            and now >= self._pending[0].at
        ):
            self._contents = self._pending.pop(0).change(self._contents)
            self._publish(connection, now)
            due = False
        if due:
            self._publish(connection, now)

    def _publish(self, connection: int, now: float) -> None:
        """Sign the roles that changed or are due, and then snapshot and timestamp."""
        roles = self._describer.roles(self._contents)
        for role in roles:
            signed, keys = self._describer.describe(self._contents, role)
            self._update_role(role, signed, keys, connection, now)
        meta = {
            f"{role}.json": {"version": self._roles[role].version}
            for role in roles
            if role != "root"
        }
        signed = {"_type": "snapshot", "meta": meta, "spec_version": "1.0.34"}
        signers = self._describer.signers(self._contents, "snapshot")
        self._update_role("snapshot", signed, signers, connection, now)
        self._update_timestamp(now)
        # A proof refers to the tree of its own publication.
        size = len(self._leaves)
        for path, (index, known) in self._proofs.items():
            if not known:
                self._proofs[path] = (index, size)

    def _update_role(
        self, name: str, signed: dict[str, Any], keys: tuple[Key, ...], connection: int, now: float
    ) -> None:
        day = int(now // _DAY)
        lifetime = _find_lifetime(name)
        role = self._roles.get(name)
        if role is None:
            role = _Role(0, signed, keys, day, connection)
        elif (
            # Usually the same object; comparing is slow.
            (role.signed is signed or role.signed == signed)
            and role.keys == keys
            and not _is_renewal_due(name, role, connection, day)
        ):
            return
        # After years without polls, as many versions have been skipped as would have been signed.
        skipped = (day - role.day) * _DAY // _YEAR * (365 // lifetime.days)
        role = _Role(role.version + 1 + skipped, signed, keys, day, connection)
        self._roles[name] = role
        expires = ROOT_EXPIRES if name == "root" else (day + lifetime.days) * _DAY
        data = (
            sign_role(signed, role.version, expires, keys)
            if name == "snapshot"
            else _sign_described(self._describer, self._contents, name, role.version, expires)
        )
        self._add_file(name, f"/metadata/{role.version}.{name}.json", data)
        if name != "snapshot":
            self._proofs[f"/log/proof/{name}.{role.version}"] = (len(self._leaves), 0)
            self._leaves.append(hash_leaf(name, role.version, data))

    def _add_file(self, name: str, path: str, data: bytes) -> None:
        self._files[path] = data
        paths = self._paths.setdefault(name, [])
        paths.append(path)
        if name != "root" and len(paths) > _AVAILABLE:
            old = paths.pop(0)
            proof = f"/log/proof/{name}.{old.split('/')[2].split('.')[0]}"
            self._removed |= {old, proof}
            del self._files[old]
            self._proofs.pop(proof, None)

    def _update_timestamp(self, now: float) -> None:
        hour, snapshot = int(now // _HOUR), self._roles["snapshot"].version
        keys = self._describer.signers(self._contents, "timestamp")
        version, *previous = self._timestamp or (0,)
        if previous == [hour, snapshot, keys]:
            return
        self._timestamp = (version + 1, hour, snapshot, keys)
        signed = {
            "_type": "timestamp",
            "meta": {"snapshot.json": {"version": snapshot}},
            "spec_version": "1.0.34",
        }
        data = sign_role(signed, version + 1, hour * _HOUR + _DAY, keys)
        self._files["/metadata/timestamp.json"] = data


def sign_role(signed: dict[str, Any], version: int, expires: int, keys: tuple[Key, ...]) -> bytes:
    """Return the metadata file of a role version; `expires` in epoch seconds."""
    date = datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return sign_metadata(encode_canonical({**signed, "expires": date, "version": version}), keys)


@lru_cache(maxsize=4096)
def _sign_described(
    describer: Describer, contents: Contents, role: str, version: int, expires: int
) -> bytes:
    """Sign a role; cached, because a role may have a hundred targets to encode."""
    signed, keys = describer.describe(contents, role)
    return sign_role(signed, version, expires, keys)


def _is_renewal_due(name: str, role: _Role, connection: int, day: int) -> bool:
    if name == "root":
        return False
    lifetime = _find_lifetime(name)
    is_old = day >= role.day + lifetime.days - lifetime.margin
    return is_old or connection >= role.connection + lifetime.connections


class Repository:
    """A repository for all `NAMES`, with some kinds of packs.

    The same seed gives the same repository. It has no state of a run: `serve` makes a server for
    each run.
    """

    def __init__(self, seed: bytes = b"repository", kinds: Sequence[str] = SMALL) -> None:
        self._describer = Describer(Keys(seed), kinds)
        signed, keys = self._describer.describe(Contents(), "root")
        self._root = sign_role(signed, 1, ROOT_EXPIRES, keys)

    def publics(self) -> tuple[Public, ...]:
        """Return a phone of each model, region and channel, then one of each with build 0."""
        return tuple(self.public(*name, counter) for counter in (1, 0) for name in NAMES)

    def public(self, codename: str, region: str, channel: str, counter: int = 1) -> Public:
        """Return the facts of a phone that runs build `counter` and trusts the first root."""
        if (codename, region, channel) not in NAMES:
            raise ValueError(f"the repository has no {codename}/{region}/{channel}")
        return Public(
            host=HOST,
            port=80,
            tls=False,
            codename=codename,
            region=region,
            channel=channel,
            root=self._root,
            ota_certificate=b"",
            built_at=post_timestamp(counter - 1),
            build=BuildFacts(
                fingerprint=fingerprint(codename, counter),
                incremental=str(counter),
                counter=counter,
                post_timestamp=post_timestamp(counter),
                security_patch_level=_PATCH_LEVELS[counter],
            ),
        )

    def serve(self, history: Sequence[Publication] = ()) -> Session:
        """Return the server of one run, with the publications of `history`."""
        return Session(self._describer, history)
