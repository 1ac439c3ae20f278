"""`log`: look into the transparency log."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from server.core.metadata import ROOT_LIMIT
from server.core.tiles import WIDTH
from signer.audit.errors import AnswerError, MemoryFileError
from signer.audit.findings import Finding
from signer.audit.http_mirror import HttpMirror
from signer.audit.log_audit import Audit, audit_log
from signer.audit.memory import Memory, begin_memory, load_memory, store_memory
from signer.audit.mirror import FolderMirror, Mirror
from signer.cli.failures import REFUSED, json_option, report
from signer.cli.output import print_json, print_table
from signer.cli.parameters import EXISTING_FILE
from signer.cli.surroundings import Surroundings
from signer.moment import show_moment

_LINE_EACH = 100_000


@click.group("log", epilog="Example: hening-signer log audit --mirror public --memory log.memory")
def log_commands() -> None:
    """Look into the transparency log."""


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
    help="What earlier audits saw; made by the first.",
)
@click.option("--root", "root_file", type=EXISTING_FILE, help="The pinned root; for the first.")
@json_option
@click.pass_obj
def audit(
    surroundings: Surroundings, place: str, memory_file: Path, root_file: Path | None, as_json: bool
) -> None:
    """Check that the log only grew and holds every role version that a mirror serves.

    Exit status 1 when something is wrong, with the evidence; the memory then stays as it was.
    """
    memory, is_first = _load_memory(memory_file, root_file)
    with _mirror(place, surroundings.monotonic) as mirror, _progress() as progress:
        done = audit_log(mirror, memory, surroundings.now, progress)
    if done.memory is not None:
        store_memory(memory_file, done.memory)
    total = done.findings.total
    summary = f"{total} finding{'s' * (total > 1)}; the memory is as it was." if total else ""
    if as_json:
        value = _json(done, memory, is_first=is_first)
        print_json(value | ({"error": summary} if summary else {}))
    else:
        _print(done, memory)
    if summary:
        # Not raised, because the JSON says it already.
        report(summary)
        click.get_current_context().exit(REFUSED)


def _load_memory(memory_file: Path, root_file: Path | None) -> tuple[Memory, bool]:
    memory = load_memory(memory_file)
    root = None
    if root_file is not None:
        with root_file.open("rb") as file:
            root = file.read(ROOT_LIMIT + 1)
    if memory is None:
        if root is None:
            raise MemoryFileError(
                f"There is no memory {memory_file} yet; pin the root that the first audit starts"
                " from with --root."
            )
        return begin_memory(root), True
    if root is not None and hashlib.sha256(root).hexdigest() != memory.pinned:
        raise MemoryFileError(
            f"The memory {memory_file} began with another root than {root_file}; leave --root out,"
            " or name another memory."
        )
    return memory, False


@contextmanager
def _mirror(place: str, monotonic: Callable[[], float]) -> Iterator[Mirror]:
    if not place.startswith(("http://", "https://")):
        yield FolderMirror(Path(place))
        return
    try:
        mirror = HttpMirror(place, monotonic)
    except AnswerError as error:
        raise click.BadParameter(str(error), param_hint="--mirror") from error
    try:
        yield mirror
    finally:
        mirror.close()


def _print(done: Audit, memory: Memory) -> None:
    rows = [
        ("trusted root", str(done.published.root.version)),
        ("role versions served", str(len(done.published.served))),
        ("proofs that hold", str(done.proofs)),
        ("entries read", str(done.entries_read)),
    ]
    if memory.size:
        rows.append(("earlier audit", f"{memory.size} entries, {show_moment(memory.time)}"))
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
                    f"the audit of {show_moment(each.since)}"
                    if each in memory.pending
                    else "this audit",
                )
                for each in done.pending
            ],
        )
    if done.findings.total:
        print_table("Findings", ("kind", "finding"), [(f.kind, f.text) for f in done.findings.kept])
        for finding in done.findings.kept:
            _print_evidence(finding)
    else:
        click.echo("Nothing is wrong; the memory is up to date.")


def _print_evidence(finding: Finding) -> None:
    click.echo(f"\nEvidence: {finding.text}")
    for name, value in finding.evidence.items():
        for part in value if isinstance(value, list) else [value]:
            click.echo(f"  {name}: " + str(part).replace("\n", "\n    "))


def _json(done: Audit, memory: Memory, *, is_first: bool) -> dict[str, Any]:
    return {
        "checkpoint": None if done.checkpoint is None else done.checkpoint.note.decode(),
        "entries_read": done.entries_read,
        "findings": [
            {"evidence": f.evidence, "kind": f.kind, "text": f.text} for f in done.findings.kept
        ],
        "findings_total": done.findings.total,
        "from_size": memory.size,
        "is_first": is_first,
        "pending": [
            msgspec.to_builtins(each) | {"is_old": each in memory.pending} for each in done.pending
        ],
        "proofs": done.proofs,
        "root_version": done.published.root.version,
        "served": len(done.published.served),
        "size": None if done.checkpoint is None else done.checkpoint.size,
    }


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Show how far the reading is: a bar on a terminal, elsewhere a line each 100,000 entries."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _print_line
        return
    columns = (TextColumn("Reading the log"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _print_line(done: int, total: int) -> None:
    # Bundles are read whole, so a round number is passed within one of them.
    if done // _LINE_EACH > max(0, done - WIDTH) // _LINE_EACH:
        click.echo(f"Reading the log: {done} of {total} entries", err=True)
