"""`log`: audit the transparency log."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from hening.times import UTC_TIMES, show_second
from server.core.names import check_role
from server.core.tiles import WIDTH
from server.tables import print_table
from signer.audit.findings import Finding, Findings, MemoryFileError
from signer.audit.mirror import FolderMirror, HttpMirror, Mirror
from signer.cli.output import REFUSED, json_option, print_json, report
from signer.cli.parameters import EXISTING_FILE, FOLDER, CheckedText, read_limited
from signer.cli.runtime import Runtime
from signer.errors import SignerError

if TYPE_CHECKING:
    from signer.audit.inquiry import Inquiry
    from signer.audit.log_audit import Audit
    from signer.audit.memory import Memory


def print_audit(result: Audit, memory: Memory) -> None:
    """Print the extent of the audit, and the versions that are logged and not published."""
    rows = [
        ("trusted root", str(result.published.root.version)),
        ("role versions served", str(len(result.published.served))),
        ("valid proofs", str(result.proofs)),
        ("entries read", str(result.entries_read)),
    ]
    if memory.size:
        rows.append(("earlier audit", f"{memory.size} entries, {show_second(memory.time)}"))
    if result.checkpoint is not None:
        rows.append(("log", f"{result.checkpoint.size} entries, {result.checkpoint.root.hex()}"))
    print_table("Audit of the log", ("what", "value"), rows)
    if result.pending:
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
                for each in result.pending
            ],
        )


def print_inquiry(inquiry: Inquiry) -> None:
    """Print the answers of an inquiry about the whole log."""
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
            "Signed and not logged: not submitted, refused, or on its way",
            ("role", "version"),
            [(role, str(version)) for role, version in inquiry.unlogged],
        )


def print_findings(findings: Findings) -> None:
    """Print each finding with its evidence, or that there is none."""
    if findings.total:
        print_table("Findings", ("kind", "finding"), [(f.kind, f.text) for f in findings.stored])
        for finding in findings.stored:
            _print_evidence(finding)
    else:
        click.echo("Nothing is wrong; the memory is up to date.")


def _print_evidence(finding: Finding) -> None:
    click.echo(f"\nEvidence: {finding.text}")
    for name, value in finding.evidence.items():
        for part in value if isinstance(value, list) else [value]:
            click.echo(f"  {name}: " + str(part).replace("\n", "\n    "))


def describe_audit(result: Audit, memory: Memory, *, is_first: bool) -> dict[str, Any]:
    """Return an audit as JSON values; `memory` is the one that it started from."""
    return {
        "checkpoint": None if result.checkpoint is None else result.checkpoint.note.decode(),
        "entries_read": result.entries_read,
        "findings": [
            {"evidence": f.evidence, "kind": f.kind, "text": f.text} for f in result.findings.stored
        ],
        "findings_total": result.findings.total,
        "from_size": memory.size,
        "is_first": is_first,
        "is_remembered": result.memory is not None,
        "pending": [
            msgspec.to_builtins(each) | {"is_old": each in memory.pending}
            for each in result.pending
        ],
        "proofs": result.proofs,
        "root_version": result.published.root.version,
        "served": len(result.published.served),
        "size": None if result.checkpoint is None else result.checkpoint.size,
    }


def describe_inquiry(inquiry: Inquiry) -> dict[str, Any]:
    """Return the answers of an inquiry about the whole log as JSON values."""
    return {
        "compared": inquiry.compared,
        "listed": [
            {"index": i, "role": e.role, "sha256": e.sha256, "version": e.version}
            for i, e in inquiry.listed
        ],
        "listed_total": inquiry.found,
        "unlogged": [{"role": role, "version": version} for role, version in inquiry.unlogged],
    }


ROLE = CheckedText("ROLE", check_role)

_LINE_EACH = 100_000


@click.group("log", epilog="Example: hening-signer log audit --mirror public --memory log.memory")
def log_commands() -> None:
    """Audit the transparency log."""


@log_commands.command(
    epilog="Example: hening-signer log audit --mirror https://updates.example --memory log.memory"
    " --root 1.root.json"
)
@click.option(
    "--mirror",
    "place",
    metavar="URL|DIR",
    required=True,
    help="http(s)://HOST[:PORT] of a server, or its public folder.",
)
@click.option(
    "--memory",
    "memory_file",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The memory of earlier audits; created by the first.",
)
@click.option(
    "--root", "root_file", type=EXISTING_FILE, help="The pinned root, for the first audit."
)
@click.option(
    "--repo",
    "folder",
    type=FOLDER,
    help="The team's working folder: read the whole log, and find entries that the folder lacks.",
)
@click.option(
    "--list",
    "roles",
    type=ROLE,
    multiple=True,
    help="Read the whole log, and show the entries of this role.",
)
@UTC_TIMES
@json_option
@click.pass_obj
def audit(
    runtime: Runtime,
    place: str,
    memory_file: Path,
    root_file: Path | None,
    folder: Path | None,
    roles: tuple[str, ...],
    as_json: bool,
) -> None:
    """Check that the log only grew and holds every role version that a mirror serves.

    Exit status 1, with the evidence, when something is wrong; the memory then stays as it was. A
    version that is logged and not served is only a question to the publisher: the exit status is 1,
    but the memory is updated.
    """
    from signer.audit.inquiry import Inquiry
    from signer.audit.log_audit import audit_log
    from signer.audit.memory import store_memory
    from signer.work_folder import WorkFolder

    memory, is_first = _load_memory(memory_file, root_file)
    inquiry = Inquiry(None if folder is None else WorkFolder(folder), roles)
    if inquiry.folder is not None:
        inquiry.folder.load_versions()  # report errors of the folder before the log is read
    with _mirror(place, runtime.monotonic) as mirror, _progress() as progress:
        result = audit_log(mirror, memory, runtime.now, progress, inquiry)
    if result.memory is not None:
        store_memory(memory_file, result.memory)
    summary = _summary(result)
    if as_json:
        value = describe_audit(result, memory, is_first=is_first) | describe_inquiry(inquiry)
        print_json(value | ({"error": summary} if summary else {}))
    else:
        print_audit(result, memory)
        print_inquiry(inquiry)
        print_findings(result.findings)
    if summary:
        # The error is not raised, because the JSON contains it already.
        report(summary)
        click.get_current_context().exit(REFUSED)


def _summary(result: Audit) -> str:
    total = result.findings.total
    if not total:
        return ""
    found = f"{total} finding{'s' * (total > 1)}"
    if result.findings.wrong:
        return f"{found}; the memory is as it was."
    return (
        f"{found}, of which none contradicts the log; the memory is updated, so ask now and keep"
        " this output."
    )


def _load_memory(memory_file: Path, root_file: Path | None) -> tuple[Memory, bool]:
    from server.core.metadata import ROOT_LIMIT
    from signer.audit.memory import begin_memory, load_memory

    memory = load_memory(memory_file)
    root = None if root_file is None else read_limited(root_file, ROOT_LIMIT)
    if memory is None:
        if root is None:
            raise MemoryFileError(
                f"There is no memory {memory_file} yet; pin the root that the first audit starts"
                " from with --root."
            )
        return begin_memory(root), True
    if root is not None and hashlib.sha256(root).hexdigest() != memory.pinned:
        raise MemoryFileError(
            f"The memory {memory_file} began with another root than {root_file}; omit --root,"
            " or give another memory."
        )
    return memory, False


@contextmanager
def _mirror(place: str, monotonic: Callable[[], float]) -> Iterator[Mirror]:
    if not place.startswith(("http://", "https://")):
        yield FolderMirror(Path(place))
        return
    try:
        mirror = HttpMirror(place, monotonic)
    except SignerError as error:
        raise click.BadParameter(str(error), param_hint="--mirror") from error
    try:
        yield mirror
    finally:
        mirror.close()


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Show progress: a bar on a terminal, elsewhere a line for every 100,000 entries."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _print_line
        return
    columns = (TextColumn("Reading the log"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _print_line(done: int, total: int) -> None:
    # Bundles are read whole, so a multiple is crossed within a bundle, not hit exactly.
    if done // _LINE_EACH > max(0, done - WIDTH) // _LINE_EACH:
        click.echo(f"Reading the log: {done} of {total} entries", err=True)
