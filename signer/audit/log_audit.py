"""Audits a mirror's log: every published version must be logged, and the log may only grow.

Metadata is read before proofs and checkpoint, so that a version that is published during the audit
is found in the log and not reported as missing.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime

from hening.times import show_second
from server.core.metadata import verify_first_root
from server.core.profile import log_verifier
from server.core.tiles import WIDTH
from server.core.tlog import leaf_hash
from signer.audit.findings import AnswerError, Findings, Kind, MirrorUnavailableError
from signer.audit.inquiry import Inquiry
from signer.audit.ledger import Ledger, check_late_entries
from signer.audit.log_reader import CompactRange, Tiles, decode_entry
from signer.audit.memory import Memory, Pending, advance_memory, load_records
from signer.audit.mirror import Mirror
from signer.audit.published import (
    CHECKPOINT,
    Head,
    Published,
    check_prefix,
    read_checkpoint,
    read_published,
    read_stapled,
    show,
)

_NEVER_LOGGED = frozenset({"snapshot", "timestamp", "mirrors"})
Progress = Callable[[int, int], None]  # entries read, entries to read


@dataclass(slots=True)
class Audit:
    """The result of an audit; the next audit starts from `memory`.

    `memory` is None after findings that are more than questions.
    """

    findings: Findings
    published: Published
    checkpoint: Head | None = None
    entries_read: int = 0
    proofs: int = 0
    pending: list[Pending] = field(default_factory=list)
    memory: Memory | None = None


def audit_log(
    mirror: Mirror,
    memory: Memory,
    now: datetime,
    progress: Progress,
    inquiry: Inquiry | None = None,
) -> Audit:
    """Audit the log from where `memory` ends, and answer an inquiry about the whole log.

    Every fault becomes a finding. Raises MirrorUnavailableError when the mirror does not answer,
    unless there is a finding already.
    """
    findings = Findings()
    before = {role: known.current for role, known in memory.roles.items()}
    published = read_published(mirror, memory.root_bytes, before, now, findings)
    audit = Audit(findings, published)
    try:
        _follow_log(audit, mirror, memory, now, progress, inquiry or Inquiry())
    except MirrorUnavailableError as error:
        # Otherwise a mirror could hide a fault that it has just shown by ceasing to answer.
        if not findings.total:
            raise
        findings.add(Kind.LOG, f"The audit could not be completed: {error}")
    return audit


def _follow_log(
    audit: Audit,
    mirror: Mirror,
    memory: Memory,
    now: datetime,
    progress: Progress,
    inquiry: Inquiry,
) -> None:
    findings, published = audit.findings, audit.published
    heads, stapled = _read_heads(audit, mirror)
    newest = max(heads, key=lambda head: head.size, default=None)
    audit.checkpoint = newest
    if newest is None or _is_rolled_back(heads, newest, memory, findings):
        return
    tiles = Tiles(mirror, newest.size)
    entry_findings = Findings()
    pinned_root = verify_first_root(memory.root_bytes).signed.version
    ledger = Ledger(load_records(memory), published.oldest_served, pinned_root, entry_findings)
    tree = memory.tree
    sizes = {head.size for head in heads} | {memory.size}
    roots = _read_entries(
        tiles, tree, newest.size, sizes, ledger, entry_findings, findings, progress
    )
    audit.entries_read = tree.size - memory.size
    if roots.get(newest.size) != newest.root:
        remembered = Head("the memory", memory.checkpoint.encode(), memory.size, memory.tree.root())
        _explain(tiles, remembered, newest, findings)
        return
    findings.extend(entry_findings)
    check_late_entries(tiles, newest, ledger.late, findings)
    proven = {(each.size, bytes.fromhex(each.root)) for each in memory.proven}
    _check_heads(tiles, heads, newest, roots, proven, findings)
    _check_served(published, ledger, findings)
    _check_unserved(published, ledger, memory, findings)
    audit.pending = _list_pending(published, ledger, memory, now, findings)
    inquiry.answer(tiles, newest, findings, progress)
    if not findings.wrong:
        audit.memory = advance_memory(
            memory, newest, tree, published, ledger, stapled, audit.pending, now
        )


def _read_heads(audit: Audit, mirror: Mirror) -> tuple[list[Head], list[Head]]:
    """Return all signed checkpoints, the mirror's own first; and separately those of the proofs."""
    key = log_verifier(audit.published.root)
    stapled = read_stapled(mirror, audit.published, key, audit.findings)
    audit.proofs = len(stapled)
    heads = []
    with audit.findings.catching(Kind.LOG, path=CHECKPOINT):
        heads.append(read_checkpoint(mirror, key))
    return heads + stapled, stapled


def _is_rolled_back(heads: list[Head], newest: Head, memory: Memory, findings: Findings) -> bool:
    """Return whether the mirror's own checkpoint, or every one, is of a smaller log than `memory`.

    A finding is added if so.
    """
    own = [head for head in heads if head.place == CHECKPOINT]
    for head in (*own, newest):
        if head.size < memory.size:
            findings.add(
                Kind.ROLL_BACK,
                f"The log at {head.place} has {head.size} entries; an earlier audit saw"
                f" {memory.size}. The mirror is stale, or the log was rolled back.",
                checkpoints=[memory.checkpoint, show(head)],
            )
            return True
    return False


def _read_entries(
    tiles: Tiles,
    tree: CompactRange,
    size: int,
    sizes: Collection[int],
    ledger: Ledger,
    entry_findings: Findings,
    findings: Findings,
    progress: Progress,
) -> dict[int, bytes]:
    """Grow `tree` to `size` with the mirror's entries; return its root at each of `sizes`.

    Findings about entries go to `entry_findings`: whether the entries belong to the signed log is
    known only at the end.
    """
    begin = tree.size
    roots = {begin: tree.root()}
    with findings.catching(Kind.LOG):
        while tree.size < size:
            leaves = tiles.leaves(tree.size // WIDTH)
            for leaf in leaves[tree.size % WIDTH :]:
                with entry_findings.catching(Kind.ENTRY, index=tree.size, leaf=leaf.hex()):
                    ledger.add(tree.size, decode_entry(leaf))
                tree.append(leaf_hash(leaf))
                if tree.size in sizes:
                    roots[tree.size] = tree.root()
            progress(tree.size - begin, size - begin)
    return roots


def _check_heads(
    tiles: Tiles,
    heads: list[Head],
    newest: Head,
    roots: dict[int, bytes],
    proven: Collection[tuple[int, bytes]],
    findings: Findings,
) -> None:
    """Check every signed checkpoint against the newest tree, except those that are `proven`.

    One checkpoint of each size and root is enough. An earlier audit checked those in `proven`.
    """
    distinct = {(head.size, head.root): head for head in heads}
    for (size, root), head in distinct.items():
        if roots.get(size) != root and (size, root) not in proven:
            check_prefix(tiles, head, newest, findings)


def _explain(tiles: Tiles, remembered: Head, newest: Head, findings: Findings) -> None:
    """Add a finding on why the remembered hashes and the entries do not lead to the signed root."""
    before = findings.total
    if remembered.size:
        check_prefix(tiles, remembered, newest, findings)
    if findings.total > before:
        return
    with findings.catching(Kind.LOG, checkpoint=show(newest)):
        bundles = range(remembered.size // WIDTH, -(-newest.size // WIDTH))
        differences = (tiles.first_difference(each, tiles.leaves(each)) for each in bundles)
        first = next((each for each in differences if each is not None), None)
        place = "" if first is None else f"; entry {first} is the first that differs"
        raise AnswerError(
            f"The mirror's entries are not those of the log's tree of {newest.size}{place}."
        )


def _check_served(published: Published, ledger: Ledger, findings: Findings) -> None:
    """Add a finding for every served role version that is not in the log with the same bytes."""
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


def _check_unserved(
    published: Published, ledger: Ledger, memory: Memory, findings: Findings
) -> None:
    """Add a finding for versions logged since `memory` that the mirror should serve and does not.

    A version that was pending counts as logged since then. Such a version may be burned: it was
    logged, and after a crash given up for the next one. Nothing in the log or on the mirror
    distinguishes it from a version that was shown to one phone only, so only the publisher can
    explain it.
    """
    served = {(each.role, each.version) for each in published.served}
    was_pending = {(each.role, each.version) for each in memory.pending}
    for role, version, place in ledger.versions():
        key = role, version
        is_new = place.index >= memory.size or key in was_pending
        if not is_new or key in served:
            continue
        if published.is_due(role, version, ledger.records[role].highest):
            findings.add(
                Kind.UNSERVED,
                f"Entry {place.index} is {role} {version}, which the mirror should serve and"
                " does not: it was burned, or shown to other clients, or is lost there. Ask the"
                " publisher for the file with this sha256.",
                role=role,
                version=version,
                index=place.index,
                sha256=place.sha256,
            )


def _list_pending(
    published: Published, ledger: Ledger, memory: Memory, now: datetime, findings: Findings
) -> list[Pending]:
    """Return the versions that are logged and not published yet.

    A finding is added for each version of an unknown role, and for each version that was pending at
    the previous audit already.

    A role without delegation is unknown, unless a pending version of targets may delegate it. Both
    then belong to one publication, so no earlier audit has seen either. The list is empty when the
    published versions are unknown.
    """
    if not published.is_complete:
        return []
    since = {(each.role, each.version): each.since for each in memory.pending}
    known = published.delegated | set(memory.delegated) | {"root", "targets"}
    newer = [each for each in ledger.versions() if each[1] > published.current.get(each[0], 0)]
    may_grow = any(role == "targets" and (role, version) not in since for role, version, _ in newer)
    pending = []
    for role, version, place in newer:
        is_new = (role, version) not in since
        if role in known or (may_grow and is_new and role not in _NEVER_LOGGED):
            start = since.get((role, version), int(now.timestamp()))
            pending.append(Pending(role=role, since=start, version=version))
            if not is_new:
                findings.add(
                    Kind.PENDING,
                    f"Entry {place.index} is {role} {version}, which is not served since the audit"
                    f" of {show_second(start)}: it is held back, burned, or shown to other clients."
                    " Ask the publisher.",
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
