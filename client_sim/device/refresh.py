"""Updates the phone's trusted metadata over one connection, in the order of docs/PRIVACY.md."""

from dataclasses import dataclass
from typing import Final, Protocol

from client_sim.content.fetch import update_contents
from client_sim.content.kinds import ROLES
from client_sim.device.errors import LogError, TransportError, TrustError
from client_sim.device.tlog import PROOF_LIMIT
from client_sim.device.trust import Trust
from client_sim.device.workflow import ROOT_LIMIT, TIMESTAMP_LIMIT, Workflow
from client_sim.transport import Connection

_FEWEST_REQUESTS: Final = 2  # the next root and the timestamp

# Enough for a phone that was off for years: one root a week for five years.
MAX_ROOTS: Final = 256


class Source(Protocol):
    """A source of metadata; raises TransportError.

    `fetch` gets `version` None for a file whose name has no version.
    """

    def find_root(self, version: int) -> bytes | None:
        """Return a version of root, or None if it does not exist."""
        ...

    def fetch(self, role: str, version: int | None, limit: int) -> bytes:
        """Return at most `limit` bytes of a role."""
        ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """A role that was verified but is not stored yet."""

    version: int
    data: bytes


def update_top_level(source: Source, workflow: Workflow) -> None:
    """Update root, timestamp, snapshot and targets and store them.

    Raises TrustError and TransportError.
    """
    _update_roots(source, workflow)
    workflow.accept_timestamp(source.fetch("timestamp", None, TIMESTAMP_LIMIT))
    planned = workflow.plan_snapshot()
    if planned is not None:
        version = planned.version if workflow.verified.root.consistent_snapshot else None
        workflow.accept_snapshot(source.fetch("snapshot", version, planned.limit))
    update_role(source, workflow, "targets")


def update_role(source: Source, workflow: Workflow, name: str, delegator: str = "targets") -> None:
    """Update a role and store it."""
    fetched = fetch_role(source, workflow, name, delegator)
    if fetched is not None:
        workflow.store_role(name, fetched.data)


def fetch_role(
    source: Source, workflow: Workflow, name: str, delegator: str = "targets"
) -> Fetched | None:
    """Fetch and verify a role without storing it; return None if the phone has it."""
    planned = workflow.plan_role(name, delegator)
    if planned is None:
        return None
    version = planned.version if workflow.verified.root.consistent_snapshot else None
    data = source.fetch(name, version, planned.limit)
    return Fetched(workflow.accept_role(name, data, delegator), data)


def _update_roots(source: Source, workflow: Workflow) -> None:
    # The next run continues with further roots (TUF 5.3.3), so a server cannot keep a phone busy
    # without end.
    for _ in range(MAX_ROOTS):
        data = source.find_root(workflow.next_root_version)
        if data is None:
            return
        workflow.accept_root(data)


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The result of a refresh: whether anything was new, and warnings for the owner.

    `broken` is the error that ended the connection before all public content was fetched, or None.
    """

    changed: bool
    warnings: tuple[str, ...]
    broken: TransportError | None


@dataclass(frozen=True, slots=True)
class Published:
    """The public tree of FORMATS section 8 as a source of metadata."""

    connection: Connection

    def find_root(self, version: int) -> bytes | None:
        """Return a version of root, or None if it does not exist."""
        return self.connection.get_or_none(f"/metadata/{version}.root.json", limit=ROOT_LIMIT)

    def fetch(self, role: str, version: int | None, limit: int) -> bytes:
        """Return at most `limit` bytes of a role."""
        name = f"{role}.json" if version is None else f"{version}.{role}.json"
        return self.connection.get(f"/metadata/{name}", limit=limit)


def refresh(connection: Connection, trust: Trust, pointer: str) -> Refreshed:
    """Send a poll's requests over a new connection: those that every phone sends.

    Raises TrustError, LogError and TransportError.

    If `latest` is split, the part that holds `pointer` is fetched in its place. The proof of
    `latest` is verified before anything else is requested. Any later failure is only a warning,
    because `tables`, `content` and their packs do not affect updates.
    """
    update_top_level(Published(connection), trust)
    holder = trust.pointer_role(pointer)
    if trust.is_published(holder):
        _update_proven(connection, trust, holder)
    warnings: list[str] = []
    broken: TransportError | None = None
    try:
        _update_public(connection, trust, warnings)
    except TransportError as error:
        warnings.append(f"The next poll goes on with public content: {error}")
        broken = error
    changed = len(connection.requests) > _FEWEST_REQUESTS
    return Refreshed(changed, tuple(warnings), broken)


def refresh_codename(connection: Connection, trust: Trust, codename: str) -> None:
    """Fetch a codename role and its proof unless the phone has them.

    Call it only after the decision to install: the requests reveal the model.
    """
    if not trust.is_published(codename):
        raise TrustError(f"The repository has no role for the model {codename}.")
    if _update_proven(connection, trust, codename):
        trust.raise_clock(codename)


def _update_public(connection: Connection, trust: Trust, warnings: list[str]) -> None:
    """Fetch the public content that every phone fetches; add refusals to `warnings`."""
    good = []
    for name in ROLES:
        if trust.is_published(name):
            try:
                _update_proven(connection, trust, name)
            except (TrustError, LogError) as error:
                warnings.append(str(error))
            else:
                good.append(name)
    update_contents(connection, trust, good, warnings)


def _update_proven(connection: Connection, trust: Trust, name: str) -> bool:
    """Fetch a role and its proof unless the phone has it; return whether it was new."""
    fetched = fetch_role(Published(connection), trust, name)
    if fetched is None:
        return False
    proof = connection.get(f"/log/proof/{name}.{fetched.version}", limit=PROOF_LIMIT)
    trust.check_proof(proof, name, fetched.version, fetched.data)
    trust.store_role(name, fetched.data)
    return True
