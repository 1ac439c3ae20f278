"""TUF's client workflow (specification 1.0.34, section 5) as a state machine.

The caller fetches the bytes; this module verifies them and returns objects. Only verified metadata
is stored, one role at a time, so that the next poll can continue after a crash:

- a root is stored before anything that it signs is read;
- before a root that removes a key of timestamp or snapshot is stored, both roles are removed, so
  that a fast-forward attack ends with that root even after a power cut in between;
- a delegated role is stored only when the caller says so.

A subclass (`Trust`) adds a repository's rules beyond TUF.
"""

from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from tuf.api.metadata import Root, Snapshot, Targets

from client_sim.device.errors import ExpiredError, TrustError
from client_sim.device.tuf_adapter import VerifiedMetadata, check_version

ROOT_LIMIT: Final = 512_000
TIMESTAMP_LIMIT: Final = 16_384
SNAPSHOT_LIMIT: Final = 2_000_000
ROLE_LIMIT: Final = 5_000_000


@dataclass(frozen=True, slots=True)
class PlannedFetch:
    """A role version to fetch: at most `limit` bytes."""

    version: int
    limit: int


class Workflow:
    """The trusted metadata of one run, starting from `state` and `first_root`.

    `now` in epoch seconds is the time of the whole run. Every method raises TrustError; of its
    subclasses, ExpiredError is temporary. Subclasses override the methods `examine_…` to check
    rules beyond TUF on objects that TUF has verified.
    """

    def __init__(self, first_root: bytes, state: MutableMapping[str, bytes], *, now: float) -> None:
        self.now = now
        self.state = state
        self.verified = VerifiedMetadata(first_root, now)
        self.examine_root(self.verified.root)
        self._load_newer_root()

    @property
    def next_root_version(self) -> int:
        """The version of the root to request."""
        return check_version(self.verified.root.version + 1)

    @property
    def versions(self) -> dict[str, int]:
        """The versions of the roles that this run has verified."""
        return self.verified.versions

    def accept_root(self, data: bytes) -> None:
        """Verify the next root and store it."""
        old = self.verified.root
        new = self.verified.update_root(data)
        self.examine_root(new)
        self.examine_next_root(old, new)
        if _removes_key(old, new):
            self.state.pop(_key("timestamp"), None)
            self.state.pop(_key("snapshot"), None)
        self.state[_key("root")] = data

    def accept_timestamp(self, data: bytes) -> None:
        """Verify the timestamp against the stored one and store it if it is newer."""
        stored = self.state.get(_key("timestamp"))
        if stored is not None:
            # An expired one stays for comparison. One signed by a former key is dropped. Either way
            # the new one decides.
            with suppress(TrustError):
                self.verified.update_timestamp(stored)
        if self.verified.update_timestamp(data):
            self.state[_key("timestamp")] = data

    def plan_snapshot(self) -> PlannedFetch | None:
        """Return the snapshot to fetch, or None if the stored one is current."""
        meta = self.verified.timestamp.snapshot_meta
        stored = self.state.get(_key("snapshot"))
        expired: ExpiredError | None = None
        if stored is not None:
            # An older one, or one signed by a former key, is ignored: the new one decides.
            with suppress(TrustError):
                try:
                    self.verified.update_snapshot(stored, is_stored=True)
                except ExpiredError as error:
                    expired = error
                else:
                    return None
        snapshot = self.verified.snapshot
        if expired is not None and snapshot is not None and snapshot.version == meta.version:
            raise expired
        return _plan_fetch(meta.version, meta.length, SNAPSHOT_LIMIT)

    def accept_snapshot(self, data: bytes) -> None:
        """Verify the snapshot against the stored one and store it."""
        snapshot = self.verified.update_snapshot(data, is_stored=False)
        self.examine_new_version("snapshot", snapshot)
        self.state[_key("snapshot")] = data

    def plan_role(self, name: str, delegator: str = "targets") -> PlannedFetch | None:
        """Return the version of a role to fetch, or None if the stored one is current.

        `name` is "targets", whose delegator is always root, or a role that `delegator` delegates
        to.
        """
        meta = self.verified.find_meta(name)
        if meta is None:
            raise TrustError(f"The snapshot does not list the role {name!a}.")
        stored = self.state.get(_key(name))
        if stored is not None:
            try:
                self._verify_role(name, stored, delegator)
            except ExpiredError:
                # The library checks the version before the expiry, so this is the listed version.
                raise
            except TrustError:
                pass  # another version, former keys, damaged, or against a rule
            else:
                return None
        return _plan_fetch(meta.version, meta.length, ROLE_LIMIT)

    def accept_role(self, name: str, data: bytes, delegator: str = "targets") -> int:
        """Verify a new version and return its number; `store_role` stores it."""
        role = self._verify_role(name, data, delegator)
        self.examine_new_version(name, role)
        return role.version

    def store_role(self, name: str, data: bytes) -> None:
        """Store a role after all necessary verification."""
        self.state[_key(name)] = data

    def examine_root(self, root: Root) -> None:
        """Check a root."""

    def examine_next_root(self, old: Root, new: Root) -> None:
        """Check a root against the previous one."""

    def examine_targets(self, targets: Targets) -> None:
        """Check the top-level targets."""

    def examine_role(self, name: str, role: Targets) -> None:
        """Check a delegated role."""

    def examine_new_version(self, name: str, signed: Targets | Snapshot) -> None:
        """Check a snapshot or role that the phone has not stored yet."""

    def _verify_role(self, name: str, data: bytes, delegator: str) -> Targets:
        role = self.verified.update_role(name, data, delegator)
        if name == "targets":
            self.examine_targets(role)
        else:
            self.examine_role(name, role)
        return role

    def _load_newer_root(self) -> None:
        """Continue from the stored root, unless an installed ROM contains a newer one."""
        stored = self.state.get(_key("root"))
        if stored is None:
            return
        # If it is damaged, the chain of roots is followed again from the first one.
        with suppress(TrustError):
            newer = VerifiedMetadata(stored, self.now)
            self.examine_root(newer.root)
            if newer.root.version >= self.verified.root.version:
                self.verified = newer


def _key(name: str) -> str:
    """Return the name under which a role is stored; no codename can collide with other state."""
    return f"role.{name}"


def _plan_fetch(version: object, length: object, limit: int) -> PlannedFetch:
    if type(length) is int and 0 < length < limit:
        limit = length
    return PlannedFetch(check_version(version), limit)


def _removes_key(old: Root, new: Root) -> bool:
    return any(
        set(old.roles[name].keyids) - set(new.roles[name].keyids)
        for name in ("timestamp", "snapshot")
    )
