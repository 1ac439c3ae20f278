"""Compares what is served with what is logged, in both directions."""

from datetime import datetime

from hening.times import show_second
from signer.audit.findings import Findings, Kind
from signer.audit.ledger import Ledger
from signer.audit.memory import Memory, Pending
from signer.audit.published import Published

_NEVER_LOGGED = frozenset({"snapshot", "timestamp", "mirrors"})


def check_served(published: Published, ledger: Ledger, findings: Findings) -> None:
    """Note every served role version that is not in the log with exactly its bytes."""
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
                f"The mirror serves {name} with other bytes than entry {place.index} says.",
                role=served.role,
                version=served.version,
                served=served.sha256,
                logged=place.sha256,
                index=place.index,
            )


def ask_for_unserved(
    published: Published, ledger: Ledger, memory: Memory, findings: Findings
) -> None:
    """Note the versions that were logged since `memory` and that the mirror should serve.

    A version that was pending counts as new. A burned version was appended, and given up for the
    next one after a crash. Nothing in the log or on the mirror distinguishes it from a version that
    was shown to one phone only, so it is a question to the publisher.
    """
    served = {(each.role, each.version) for each in published.served}
    was_pending = {(each.role, each.version) for each in memory.pending}
    for role, version, place in ledger.kept():
        key = role, version
        is_new = place.index >= memory.size or key in was_pending
        if not is_new or key in served:
            continue
        if published.is_due(role, version, ledger.records[role].highest):
            findings.add(
                Kind.UNSERVED,
                f"Entry {place.index} is {role} {version}, which the mirror should serve and"
                " does not: it was burned, or shown to other clients, or is lost there. Ask who"
                " publishes for the file with this sha256.",
                role=role,
                version=version,
                index=place.index,
                sha256=place.sha256,
            )


def list_pending(
    published: Published, ledger: Ledger, memory: Memory, now: datetime, findings: Findings
) -> list[Pending]:
    """Return the versions that are logged and not published yet.

    Versions of unknown roles are noted as findings, and so are those that the previous audit saw
    pending.

    A role without delegation is unknown, unless a version of targets is pending that may delegate
    it. Both belong to one publication then, so no earlier audit has seen either. The list is empty
    when the published versions are unknown.
    """
    if not published.is_complete:
        return []
    since = {(each.role, each.version): each.since for each in memory.pending}
    known = published.delegated | set(memory.delegated) | {"root", "targets"}
    newer = [each for each in ledger.kept() if each[1] > published.current.get(each[0], 0)]
    may_grow = any(role == "targets" and (role, version) not in since for role, version, _ in newer)
    pending = []
    for role, version, place in newer:
        is_new = (role, version) not in since
        if role in known or (may_grow and is_new and role not in _NEVER_LOGGED):
            seen = since.get((role, version), int(now.timestamp()))
            pending.append(Pending(role=role, since=seen, version=version))
            if not is_new:
                findings.add(
                    Kind.PENDING,
                    f"Entry {place.index} is {role} {version}, which is not served since the audit"
                    f" of {show_second(seen)}: it is held back, burned, or shown to other clients."
                    " Ask who publishes.",
                    role=role,
                    version=version,
                    index=place.index,
                    sha256=place.sha256,
                )
            continue
        findings.add(
            Kind.UNKNOWN_ROLE,
            f"Entry {place.index} is {role} {version}, a role without a delegation.",
            role=role,
            version=version,
            index=place.index,
            sha256=place.sha256,
        )
    return pending
