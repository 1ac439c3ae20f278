"""Holds what is served against what is logged, in both directions."""

from datetime import datetime

from signer.audit.findings import Findings, Kind
from signer.audit.ledger import Ledger
from signer.audit.memory import Memory, Pending
from signer.audit.published import Published

_NEVER_LOGGED = frozenset({"snapshot", "timestamp", "mirrors"})


def check_served(published: Published, ledger: Ledger, findings: Findings) -> None:
    """Note every served role version that is not in the log with exactly its octets."""
    for served in published.served:
        name = f"{served.role} {served.version}"
        place = ledger.find(served.role, served.version)
        if place is None:
            findings.add(
                Kind.MISSING,
                f"The mirror serves {name}, which is not in the log.",
                role=served.role,
                version=served.version,
                served=served.sha256,
            )
        elif place.sha256 != served.sha256:
            findings.add(
                Kind.MISMATCH,
                f"The mirror serves {name} with other octets than entry {place.index} says.",
                role=served.role,
                version=served.version,
                served=served.sha256,
                logged=place.sha256,
                index=place.index,
            )


def list_pending(
    published: Published, ledger: Ledger, memory: Memory, now: datetime, findings: Findings
) -> list[Pending]:
    """Return the versions that are logged and not published yet; note those of unknown roles.

    A role that nobody delegated is unknown, unless a version of targets is pending, which may; both
    are of one publication then, so that no earlier audit has seen either. The list is empty when it
    is not known what is published.
    """
    if not published.is_complete:
        return []
    since = {(each.role, each.version): each.since for each in memory.pending}
    known = published.delegated | set(memory.delegated) | {"root", "targets"}
    newer = list(ledger.newer_than(published.current))
    may_grow = any(role == "targets" and (role, version) not in since for role, version, _ in newer)
    pending = []
    for role, version, place in newer:
        is_new = (role, version) not in since
        if role in known or (may_grow and is_new and role not in _NEVER_LOGGED):
            seen = since.get((role, version), int(now.timestamp()))
            pending.append(Pending(role=role, since=seen, version=version))
            continue
        findings.add(
            Kind.UNKNOWN_ROLE,
            f"Entry {place.index} is {role} {version}, a role that nobody delegated.",
            role=role,
            version=version,
            index=place.index,
            sha256=place.sha256,
        )
    return pending
