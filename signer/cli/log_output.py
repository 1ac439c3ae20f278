"""How an audit of the log is shown: tables for people, JSON values for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from hening.times import show_second
from server.tables import print_table
from signer.audit.findings import Finding, Findings

if TYPE_CHECKING:
    from signer.audit.inquiry import Inquiry
    from signer.audit.log_audit import Audit
    from signer.audit.memory import Memory


def print_audit(done: Audit, memory: Memory) -> None:
    """Print how far the audit came, and what is logged and not published."""
    rows = [
        ("trusted root", str(done.published.root.version)),
        ("role versions served", str(len(done.published.served))),
        ("proofs that hold", str(done.proofs)),
        ("entries read", str(done.entries_read)),
    ]
    if memory.size:
        rows.append(("earlier audit", f"{memory.size} entries, {show_second(memory.time)}"))
    if done.checkpoint is not None:
        rows.append(("log", f"{done.checkpoint.size} entries, {done.checkpoint.root.hex()}"))
    print_table("Audit of the log", ("what", "value"), rows)
    if done.pending:
        print_table(
            "Logged and not published",
            ("role", "version", "since"),
            [
                (
                    each.role,
                    str(each.version),
                    f"the audit of {show_second(each.since)}"
                    if each in memory.pending
                    else "this audit",
                )
                for each in done.pending
            ],
        )


def print_inquiry(inquiry: Inquiry) -> None:
    """Print what was asked of the whole log."""
    if inquiry.roles:
        rows = [
            (f"entry {index}", entry.role, str(entry.version), entry.sha256)
            for index, entry in inquiry.listed
        ]
        title = f"{inquiry.found} entries of {', '.join(inquiry.roles)}"
        if len(rows) < inquiry.found:
            title += f", of which the newest {len(rows)}"
        print_table(title, ("entry", "role", "version", "sha256"), rows)
    if inquiry.unlogged:
        print_table(
            "Signed and not logged: not handed over, refused, or on its way",
            ("role", "version"),
            [(role, str(version)) for role, version in inquiry.unlogged],
        )


def print_findings(findings: Findings) -> None:
    """Print each finding with its evidence, or that there is none."""
    if findings.total:
        print_table("Findings", ("kind", "finding"), [(f.kind, f.text) for f in findings.kept])
        for finding in findings.kept:
            _print_evidence(finding)
    else:
        click.echo("Nothing is wrong; the memory is up to date.")


def _print_evidence(finding: Finding) -> None:
    click.echo(f"\nEvidence: {finding.text}")
    for name, value in finding.evidence.items():
        for part in value if isinstance(value, list) else [value]:
            click.echo(f"  {name}: " + str(part).replace("\n", "\n    "))


def describe_audit(done: Audit, memory: Memory, *, is_first: bool) -> dict[str, Any]:
    """Return an audit as JSON values; `memory` is what it started from."""
    return {
        "checkpoint": None if done.checkpoint is None else done.checkpoint.note.decode(),
        "entries_read": done.entries_read,
        "findings": [
            {"evidence": f.evidence, "kind": f.kind, "text": f.text} for f in done.findings.kept
        ],
        "findings_total": done.findings.total,
        "from_size": memory.size,
        "is_first": is_first,
        "is_remembered": done.memory is not None,
        "pending": [
            msgspec.to_builtins(each) | {"is_old": each in memory.pending} for each in done.pending
        ],
        "proofs": done.proofs,
        "root_version": done.published.root.version,
        "served": len(done.published.served),
        "size": None if done.checkpoint is None else done.checkpoint.size,
    }


def describe_inquiry(inquiry: Inquiry) -> dict[str, Any]:
    """Return what was asked of the whole log as JSON values."""
    return {
        "compared": inquiry.compared,
        "listed": [
            {"index": i, "role": e.role, "sha256": e.sha256, "version": e.version}
            for i, e in inquiry.listed
        ],
        "listed_total": inquiry.found,
        "unlogged": [{"role": role, "version": version} for role, version in inquiry.unlogged],
    }
