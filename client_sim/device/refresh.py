"""Brings the phone's trust up to date over one connection, in the order of docs/PRIVACY.md."""

from dataclasses import dataclass

from client_sim.content.fetch import update_contents
from client_sim.content.kinds import ROLES
from client_sim.device.errors import LogError, TransportError, TrustError
from client_sim.device.tlog import PROOF_LIMIT
from client_sim.device.trust import Trust
from client_sim.device.updating import fetch_role, update_top_level
from client_sim.device.workflow import ROOT_LIMIT
from client_sim.transport import Connection


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a poll has learned: whether anything was new, and what to tell the owner.

    `broken` is what ended the connection before all of the public content was fetched, or None.
    """

    changed: bool
    warnings: tuple[str, ...]
    broken: TransportError | None


@dataclass(frozen=True, slots=True)
class Published:
    """The public tree of FORMATS section 8 as a source of metadata."""

    connection: Connection

    def find_root(self, version: int) -> bytes | None:
        """Return a version of root, or None if there is none such."""
        return self.connection.get_if_there(f"/metadata/{version}.root.json", limit=ROOT_LIMIT)

    def fetch(self, role: str, version: int | None, limit: int) -> bytes:
        """Return at most `limit` octets of a role."""
        name = f"{role}.json" if version is None else f"{version}.{role}.json"
        return self.connection.get(f"/metadata/{name}", limit=limit)


def refresh(connection: Connection, trust: Trust, pointer: str) -> Refreshed:
    """Ask what every phone asks. Raises TrustError, LogError and TransportError.

    Where `latest` is split, its part that holds `pointer` is asked for in its place.
    `latest` is proven before anything else is asked for, and whatever fails behind it is a warning:
    neither `tables` nor `content` nor their packs decide about an update.
    """
    before = len(connection.requests)
    usual = 2
    source = Published(connection)
    update_top_level(source, trust)
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
    changed = len(connection.requests) - before > usual
    return Refreshed(changed, tuple(warnings), broken)


def refresh_codename(connection: Connection, trust: Trust, codename: str) -> None:
    """Fetch a codename role and its proof unless they are held; for after the decision only."""
    if not trust.is_published(codename):
        raise TrustError(f"The repository has no role for the model {codename}.")
    if _update_proven(connection, trust, codename):
        trust.raise_clock(codename)


def _update_public(connection: Connection, trust: Trust, warnings: list[str]) -> None:
    """Fetch what every phone fetches beside updates, adding to `warnings` what is refused."""
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
    """Fetch a role and its proof unless it is held; returns whether it was new."""
    fetched = fetch_role(Published(connection), trust, name)
    if fetched is None:
        return False
    proof = connection.get(f"/log/proof/{name}.{fetched.version}", limit=PROOF_LIMIT)
    trust.check_proof(proof, name, fetched.version, fetched.data)
    trust.keep_role(name, fetched.data)
    return True
