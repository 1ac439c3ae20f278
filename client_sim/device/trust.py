"""The phone's trust: TUF's client workflow with this system's profile, as a state machine.

Bytes go in, verified objects come out; who fetches them is not known here. Only what verified is
stored, one role at a time, so that a crash leaves a state from which the next poll goes on:

- a root is stored before anything that it signs is looked at;
- timestamp and snapshot are forgotten before the root that takes away one of their keys is stored,
  so a fast-forward attack ends with that root even if the phone dies in between;
- `latest` (or its part) and a codename role are stored only once their proof was verified too.
"""

from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from tuf.api.metadata import DelegatedRole, Root

from client_sim.device.agreement import SignedTarget
from client_sim.device.errors import AgreementError, ExpiredError, PointerError, TrustError
from client_sim.device.names import pointer_name
from client_sim.device.parts import find_pointer_role
from client_sim.device.pointer import Pointer, decode_pointer
from client_sim.device.profile import check_leaf_role, check_root, check_targets
from client_sim.device.release import decode_release
from client_sim.device.tlog import LogKey, verify_proof
from client_sim.device.tuf_adapter import VerifiedMetadata, check_version

ROOT_LIMIT: Final = 512_000
TIMESTAMP_LIMIT: Final = 16_384
SNAPSHOT_LIMIT: Final = 2_000_000
ROLE_LIMIT: Final = 5_000_000

_EMPTY_SHA256: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A role version to fetch: at most `limit` octets."""

    version: int
    limit: int


class Trust:
    """What one poll may believe, starting from what `state` holds and the root in the image.

    `now` is the phone's clock in epoch seconds, `built_at` the build date below which no clock is
    believed: the later of the two is `now` here. Every method raises TrustError; ExpiredError is
    the kind that ends by itself.
    """

    def __init__(
        self, image_root: bytes, state: MutableMapping[str, bytes], *, now: float, built_at: int
    ) -> None:
        self._state = state
        # Only offline facts raise the floor: an online key must not be able to move clocks.
        self.now = max(now, float(built_at))
        self._verified, self._log_key = self._start(image_root)

    @property
    def next_root_version(self) -> int:
        """The version of the root to ask for."""
        return check_version(self._verified.root.version + 1)

    @property
    def versions(self) -> dict[str, int]:
        """The versions of the roles that this poll has verified."""
        return self._verified.versions

    def accept_root(self, data: bytes) -> None:
        """Verify the next root and store it."""
        old = self._verified.root
        new = self._verified.update_root(data)
        self._log_key = check_root(new)
        if _takes_key_away(old, new):
            self._state.pop(_key("timestamp"), None)
            self._state.pop(_key("snapshot"), None)
        self._state[_key("root")] = data

    def accept_timestamp(self, data: bytes) -> None:
        """Verify the timestamp against the one held and store it if it is newer."""
        held = self._state.get(_key("timestamp"))
        if held is not None:
            # Expired: it stays as the one to compare with. Signed by a former key: it is forgotten.
            # Either way the new one decides.
            with suppress(TrustError):
                self._verified.update_timestamp(held)
        if self._verified.update_timestamp(data):
            self._state[_key("timestamp")] = data

    def plan_snapshot(self) -> Wanted | None:
        """Return the snapshot to fetch, or None if the one held is the one."""
        meta = self._verified.timestamp.snapshot_meta
        held = self._state.get(_key("snapshot"))
        expired: ExpiredError | None = None
        if held is not None:
            # An older one, or one signed by a former key, is no obstacle: the new one decides.
            with suppress(TrustError):
                try:
                    self._verified.update_snapshot(held, is_held=True)
                except ExpiredError as error:
                    expired = error
                else:
                    return None
        if expired is not None and self._is_current_snapshot(meta.version):
            raise expired
        return _wanted(meta.version, meta.length, SNAPSHOT_LIMIT)

    def accept_snapshot(self, data: bytes) -> None:
        """Verify the snapshot against the one held and store it."""
        self._verified.update_snapshot(data, is_held=False)
        self._state[_key("snapshot")] = data

    def is_published(self, name: str) -> bool:
        """Tell whether the targets delegate to `name` and the snapshot lists it."""
        return name in self._delegated() and self._verified.find_meta(name) is not None

    def pointer_role(self, name: str) -> str:
        """Return the role that may hold the pointer `name`: `latest`, or a part of it."""
        return find_pointer_role(self._delegated(), name)

    def plan_role(self, name: str) -> Wanted | None:
        """Return the version of a role to fetch, or None if the one held is the one."""
        meta = self._verified.find_meta(name)
        if meta is None:
            raise TrustError(f"The snapshot does not list the role {name}.")
        held = self._state.get(_key(name))
        if held is not None:
            try:
                self.accept_role(name, held)
            except ExpiredError:
                # The library checks the version before the expiry, so it is the listed one.
                raise
            except TrustError:
                return _wanted(meta.version, meta.length, ROLE_LIMIT)
            return None
        return _wanted(meta.version, meta.length, ROLE_LIMIT)

    def accept_role(self, name: str, data: bytes) -> int:
        """Verify a role and return its version; it is not stored before `keep_role`."""
        role = self._verified.update_role(name, data)
        if name == "targets":
            check_targets(self._verified.root, role)
        else:
            check_leaf_role(name, role)
        return role.version

    def keep_role(self, name: str, data: bytes) -> None:
        """Store a role that has been verified in every way that it has to be."""
        self._state[_key(name)] = data

    def check_proof(self, proof: bytes, name: str, version: int, data: bytes) -> None:
        """Check that the log of the trusted root contains these octets; raises LogError."""
        verify_proof(proof, self._log_key, role=name, version=version, octets=data)

    def find_pointer(self, codename: str, region: str, channel: str) -> Pointer | None:
        """Return the pointer of a model, region and channel, or None; raises PointerError."""
        name = pointer_name(codename, region, channel)
        role = self._verified.role(self.pointer_role(name))
        target = None if role is None else role.targets.get(name)
        if target is None:
            return None
        if target.length != 0 or target.hashes != {"sha256": _EMPTY_SHA256}:
            raise PointerError(f"The pointer {name} is not the empty file that it has to be.")
        return decode_pointer(name, target.unrecognized_fields.get("custom"))

    def find_release(self, path: str) -> SignedTarget:
        """Return a package as its codename role lists it; raises AgreementError, ReleaseError."""
        role = self._verified.role(path.partition("/")[0])
        target = None if role is None else role.targets.get(path)
        if target is None:
            raise AgreementError("The package that is offered is not one that its model lists.")
        release = decode_release(path, target.unrecognized_fields.get("custom"))
        return SignedTarget(target.length, target.hashes["sha256"], release)

    def _delegated(self) -> Mapping[str, DelegatedRole]:
        delegations = self._verified.targets.delegations
        return {} if delegations is None else delegations.roles or {}

    def _start(self, image_root: bytes) -> tuple[VerifiedMetadata, LogKey]:
        verified = VerifiedMetadata(image_root, self.now)
        log_key = check_root(verified.root)
        stored = self._state.get(_key("root"))
        if stored is None:
            return verified, log_key
        try:
            newer = VerifiedMetadata(stored, self.now)
            newer_log_key = check_root(newer.root)
        except TrustError:
            # Damaged: the chain of roots is simply walked again from the image's.
            return verified, log_key
        if newer.root.version < verified.root.version:
            # A ROM that was installed since brought a newer root.
            return verified, log_key
        return newer, newer_log_key

    def _is_current_snapshot(self, version: int) -> bool:
        snapshot = self._verified.snapshot
        return snapshot is not None and snapshot.version == version


def _key(name: str) -> str:
    """Return the name under which a role is stored; no codename can collide with other state."""
    return f"role.{name}"


def _wanted(version: object, length: object, limit: int) -> Wanted:
    if type(length) is int and 0 < length < limit:
        limit = length
    return Wanted(check_version(version), limit)


def _takes_key_away(old: Root, new: Root) -> bool:
    return any(
        set(old.roles[name].keyids) - set(new.roles[name].keyids)
        for name in ("timestamp", "snapshot")
    )
