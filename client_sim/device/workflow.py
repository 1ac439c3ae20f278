"""TUF's client workflow (specification 1.0.34, section 5) as a state machine.

Bytes go in, verified objects come out; who fetches them is not known here. Only what verified is
stored, one role at a time, so that a crash leaves a state from which the next poll goes on:

- a root is stored before anything that it signs is looked at;
- timestamp and snapshot are forgotten before the root that takes away one of their keys is stored,
  so a fast-forward attack ends with that root even if the phone dies in between;
- a delegated role is stored only when whoever fetched it says so.

What a repository must keep to beyond TUF is a `Rules`; this machine knows none itself.
"""

from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from client_sim.device.errors import ExpiredError, TrustError
from client_sim.device.tuf_adapter import VerifiedMetadata, check_version

ROOT_LIMIT: Final = 512_000
TIMESTAMP_LIMIT: Final = 16_384
SNAPSHOT_LIMIT: Final = 2_000_000
ROLE_LIMIT: Final = 5_000_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A role version to fetch: at most `limit` bytes."""

    version: int
    limit: int


class Rules(Protocol):
    """Checks beyond TUF, on metadata that TUF has verified; each raises TrustError."""

    def check_root(self, root: Root) -> object: ...  # noqa: D102
    def check_next_root(self, old: Root, new: Root) -> None: ...  # noqa: D102
    def check_targets(self, root: Root, targets: Targets) -> None: ...  # noqa: D102
    def check_role(self, name: str, role: Targets, root: Root) -> None: ...  # noqa: D102

    def check_new_version(
        self, name: str, signed: Targets | Snapshot, root: Root, timestamp: Timestamp
    ) -> None:
        """Check a snapshot or role that is not held yet."""


class Workflow:
    """What one run may believe, starting from what `state` holds and `first_root`.

    `now` in epoch seconds is the time of the whole run. Every method raises TrustError;
    ExpiredError is the kind that ends by itself.
    """

    def __init__(
        self,
        first_root: bytes,
        state: MutableMapping[str, bytes],
        *,
        now: float,
        rules: Rules,
    ) -> None:
        self.now = now
        self.state = state
        self._rules = rules
        self.verified = VerifiedMetadata(first_root, now)
        rules.check_root(self.verified.root)
        self._load_newer_root()

    @property
    def next_root_version(self) -> int:
        """The version of the root to ask for."""
        return check_version(self.verified.root.version + 1)

    @property
    def versions(self) -> dict[str, int]:
        """The versions of the roles that this run has verified."""
        return self.verified.versions

    def accept_root(self, data: bytes) -> None:
        """Verify the next root and store it."""
        old = self.verified.root
        new = self.verified.update_root(data)
        self._rules.check_root(new)
        self._rules.check_next_root(old, new)
        if _takes_key_away(old, new):
            self.state.pop(_key("timestamp"), None)
            self.state.pop(_key("snapshot"), None)
        self.state[_key("root")] = data

    def accept_timestamp(self, data: bytes) -> None:
        """Verify the timestamp against the one held and store it if it is newer."""
        held = self.state.get(_key("timestamp"))
        if held is not None:
            # Expired: it stays as the one to compare with. Signed by a former key: it is forgotten.
            # Either way the new one decides.
            with suppress(TrustError):
                self.verified.update_timestamp(held)
        if self.verified.update_timestamp(data):
            self.state[_key("timestamp")] = data

    def plan_snapshot(self) -> Wanted | None:
        """Return the snapshot to fetch, or None if the one held is the one."""
        meta = self.verified.timestamp.snapshot_meta
        held = self.state.get(_key("snapshot"))
        expired: ExpiredError | None = None
        if held is not None:
            # An older one, or one signed by a former key, is no obstacle: the new one decides.
            with suppress(TrustError):
                try:
                    self.verified.update_snapshot(held, is_held=True)
                except ExpiredError as error:
                    expired = error
                else:
                    return None
        if expired is not None and self._is_current_snapshot(meta.version):
            raise expired
        return _wanted(meta.version, meta.length, SNAPSHOT_LIMIT)

    def accept_snapshot(self, data: bytes) -> None:
        """Verify the snapshot against the one held and store it."""
        snapshot = self.verified.update_snapshot(data, is_held=False)
        self._check_new_version("snapshot", snapshot)
        self.state[_key("snapshot")] = data

    def plan_role(self, name: str, delegator: str = "targets") -> Wanted | None:
        """Return the version of a role to fetch, or None if the one held is the one.

        `name` is "targets", whose delegator is always root, or a role that `delegator` names.
        """
        meta = self.verified.find_meta(name)
        if meta is None:
            raise TrustError(f"The snapshot does not list the role {name!a}.")
        held = self.state.get(_key(name))
        if held is not None:
            try:
                self._verify_role(name, held, delegator)
            except ExpiredError:
                # The library checks the version before the expiry, so it is the listed one.
                raise
            except TrustError:
                return _wanted(meta.version, meta.length, ROLE_LIMIT)
            return None
        return _wanted(meta.version, meta.length, ROLE_LIMIT)

    def accept_role(self, name: str, data: bytes, delegator: str = "targets") -> int:
        """Verify and return a version that is not held; it is not stored before `keep_role`."""
        role = self._verify_role(name, data, delegator)
        self._check_new_version(name, role)
        return role.version

    def keep_role(self, name: str, data: bytes) -> None:
        """Store a role that has been verified in every way that it has to be."""
        self.state[_key(name)] = data

    def _verify_role(self, name: str, data: bytes, delegator: str) -> Targets:
        role = self.verified.update_role(name, data, delegator)
        if name == "targets":
            self._rules.check_targets(self.verified.root, role)
        else:
            self._rules.check_role(name, role, self.verified.root)
        return role

    def _check_new_version(self, name: str, signed: Targets | Snapshot) -> None:
        self._rules.check_new_version(name, signed, self.verified.root, self.verified.timestamp)

    def _load_newer_root(self) -> None:
        """Go on from the stored root, unless a ROM that was installed since brought a newer one."""
        stored = self.state.get(_key("root"))
        if stored is None:
            return
        # Damaged: the chain of roots is simply walked again from the first.
        with suppress(TrustError):
            newer = VerifiedMetadata(stored, self.now)
            self._rules.check_root(newer.root)
            if newer.root.version >= self.verified.root.version:
                self.verified = newer

    def _is_current_snapshot(self, version: int) -> bool:
        snapshot = self.verified.snapshot
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
