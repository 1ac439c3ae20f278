"""Brings the phone's trust up to date over one connection, in the order of docs/PRIVACY.md."""

from dataclasses import dataclass

from client_sim.device.errors import TrustError
from client_sim.device.records import raise_clock
from client_sim.device.tlog import PROOF_LIMIT
from client_sim.device.trust import Trust
from client_sim.device.updating import Fetched, fetch_role, update_role, update_top_level
from client_sim.device.workflow import ROOT_LIMIT
from client_sim.transport import Connection


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a poll has learned: whether anything was new, and what to tell the owner."""

    changed: bool
    warnings: tuple[str, ...]


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
    What fails in `tables` or `content` is a warning: neither decides about an update.
    """
    before = len(connection.requests)
    usual = 2
    source = Published(connection)
    update_top_level(source, trust)
    holder = trust.pointer_role(pointer)
    latest = fetch_role(source, trust, holder) if trust.is_published(holder) else None
    warnings = [
        warning
        for name in ("tables", "content")
        if trust.is_published(name) and (warning := _refresh_public_role(source, trust, name))
    ]
    if latest is not None:
        _keep_proven(connection, trust, holder, latest)
    return Refreshed(len(connection.requests) - before > usual, tuple(warnings))


def refresh_codename(connection: Connection, trust: Trust, codename: str) -> None:
    """Fetch a codename role and its proof unless they are held; for after the decision only."""
    if not trust.is_published(codename):
        raise TrustError(f"The repository has no role for the model {codename}.")
    fetched = fetch_role(Published(connection), trust, codename)
    if fetched is not None:
        _keep_proven(connection, trust, codename, fetched)
        raise_clock(trust.state, trust.signed_time(codename))


def _refresh_public_role(source: Published, trust: Trust, name: str) -> str | None:
    try:
        update_role(source, trust, name)
    except TrustError as error:
        return str(error)
    return None


def _keep_proven(connection: Connection, trust: Trust, name: str, fetched: Fetched) -> None:
    proof = connection.get(f"/log/proof/{name}.{fetched.version}", limit=PROOF_LIMIT)
    trust.check_proof(proof, name, fetched.version, fetched.data)
    trust.keep_role(name, fetched.data)
