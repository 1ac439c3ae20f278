"""Runs TUF's client workflow: asks a source for what the state machine wants, in TUF's order."""

from dataclasses import dataclass
from typing import Final, Protocol

from client_sim.device.workflow import TIMESTAMP_LIMIT, Workflow

# A phone that slept for decades: a root a week for five years.
MAX_ROOTS: Final = 256


class Source(Protocol):
    """Where metadata comes from; raises TransportError.

    `fetch` is given no version where the newest is under a name without one.
    """

    def find_root(self, version: int) -> bytes | None:
        """Return a version of root, or None if there is none such."""
        ...

    def fetch(self, role: str, version: int | None, limit: int) -> bytes:
        """Return at most `limit` octets of a role."""
        ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """A role that has been verified and is not stored yet."""

    version: int
    data: bytes


def update_top_level(source: Source, workflow: Workflow) -> None:
    """Bring root, timestamp, snapshot and targets up to date and store them.

    Raises TrustError and TransportError.
    """
    _update_roots(source, workflow)
    workflow.accept_timestamp(source.fetch("timestamp", None, TIMESTAMP_LIMIT))
    wanted = workflow.plan_snapshot()
    if wanted is not None:
        version = wanted.version if workflow.verified.root.consistent_snapshot else None
        workflow.accept_snapshot(source.fetch("snapshot", version, wanted.limit))
    update_role(source, workflow, "targets")


def update_role(
    source: Source, workflow: Workflow, name: str, delegator: str = "targets"
) -> Fetched | None:
    """Bring a role up to date and store it; returns what was new, or None."""
    fetched = fetch_role(source, workflow, name, delegator)
    if fetched is not None:
        workflow.keep_role(name, fetched.data)
    return fetched


def fetch_role(
    source: Source, workflow: Workflow, name: str, delegator: str = "targets"
) -> Fetched | None:
    """Fetch and verify a role unless it is held; it is not stored."""
    wanted = workflow.plan_role(name, delegator)
    if wanted is None:
        return None
    version = wanted.version if workflow.verified.root.consistent_snapshot else None
    data = source.fetch(name, version, wanted.limit)
    return Fetched(workflow.accept_role(name, data, delegator), data)


def _update_roots(source: Source, workflow: Workflow) -> None:
    # More than these are left to the next run (TUF 5.3.3), so nobody keeps a phone busy for ever.
    for _ in range(MAX_ROOTS):
        data = source.find_root(workflow.next_root_version)
        if data is None:
            return
        workflow.accept_root(data)
