"""Brings the phone's trust up to date over one connection, in the order of docs/PRIVACY.md."""

from dataclasses import dataclass
from typing import Final

from client_sim.device.errors import TrustError
from client_sim.device.tlog import PROOF_LIMIT
from client_sim.device.trust import ROOT_LIMIT, TIMESTAMP_LIMIT, Trust
from client_sim.transport import Connection

# A phone that slept for decades: a root a week for five years.
_MAX_ROOTS: Final = 256


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a poll has learned: whether anything was new, and what to tell the owner."""

    changed: bool
    warnings: tuple[str, ...]


def refresh(connection: Connection, trust: Trust, pointer: str) -> Refreshed:
    """Ask what every phone asks. Raises TrustError, LogError and TransportError.

    Where `latest` is split, its part that holds `pointer` is asked for in its place.
    What fails in `tables` or `content` is a warning: neither decides about an update.
    """
    before = len(connection.requests)
    _refresh_root(connection, trust)
    trust.accept_timestamp(connection.get("/metadata/timestamp.json", limit=TIMESTAMP_LIMIT))
    usual = 2
    wanted = trust.plan_snapshot()
    if wanted is not None:
        path = f"/metadata/{wanted.version}.snapshot.json"
        trust.accept_snapshot(connection.get(path, limit=wanted.limit))
    _refresh_role(connection, trust, "targets")
    holder = trust.pointer_role(pointer)
    latest = _fetch_role(connection, trust, holder) if trust.is_published(holder) else None
    warnings = [
        warning
        for name in ("tables", "content")
        if trust.is_published(name) and (warning := _refresh_public_role(connection, trust, name))
    ]
    if latest is not None:
        _keep_proven(connection, trust, holder, latest)
    return Refreshed(len(connection.requests) - before > usual, tuple(warnings))


def refresh_codename(connection: Connection, trust: Trust, codename: str) -> None:
    """Fetch a codename role and its proof unless they are held; for after the decision only."""
    if not trust.is_published(codename):
        raise TrustError(f"The repository has no role for the model {codename}.")
    data = _fetch_role(connection, trust, codename)
    if data is not None:
        _keep_proven(connection, trust, codename, data)


def _refresh_root(connection: Connection, trust: Trust) -> None:
    for _ in range(_MAX_ROOTS):
        path = f"/metadata/{trust.next_root_version}.root.json"
        data = connection.get_if_there(path, limit=ROOT_LIMIT)
        if data is None:
            return
        trust.accept_root(data)
    raise TrustError("There are more new roots than one poll takes; the next poll goes on.")


@dataclass(frozen=True, slots=True)
class _Fetched:
    version: int
    data: bytes


def _fetch_role(connection: Connection, trust: Trust, name: str) -> _Fetched | None:
    wanted = trust.plan_role(name)
    if wanted is None:
        return None
    data = connection.get(f"/metadata/{wanted.version}.{name}.json", limit=wanted.limit)
    return _Fetched(trust.accept_role(name, data), data)


def _refresh_role(connection: Connection, trust: Trust, name: str) -> None:
    fetched = _fetch_role(connection, trust, name)
    if fetched is not None:
        trust.keep_role(name, fetched.data)


def _refresh_public_role(connection: Connection, trust: Trust, name: str) -> str | None:
    try:
        _refresh_role(connection, trust, name)
    except TrustError as error:
        return str(error)
    return None


def _keep_proven(connection: Connection, trust: Trust, name: str, fetched: _Fetched) -> None:
    proof = connection.get(f"/log/proof/{name}.{fetched.version}", limit=PROOF_LIMIT)
    trust.check_proof(proof, name, fetched.version, fetched.data)
    trust.keep_role(name, fetched.data)
