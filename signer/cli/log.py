"""`log`: look into the transparency log."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from hening.times import UTC_TIMES
from server.core.names import check_role
from server.core.tiles import WIDTH
from signer.audit.findings import AnswerError, MemoryFileError
from signer.audit.mirror import FolderMirror, HttpMirror, Mirror
from signer.cli.failures import REFUSED, json_option, report
from signer.cli.log_output import (
    describe_audit,
    describe_inquiry,
    print_audit,
    print_findings,
    print_inquiry,
)
from signer.cli.output import print_json
from signer.cli.parameters import EXISTING_FILE, FOLDER, CheckedText
from signer.cli.surroundings import Surroundings

if TYPE_CHECKING:
    from signer.audit.log_audit import Audit
    from signer.audit.memory import Memory

ROLE = CheckedText("ROLE", check_role)

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
@click.option(
    "--repo",
    "folder",
    type=FOLDER,
    help="The team's working folder: read the whole log, and find what is not from there.",
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
    surroundings: Surroundings,
    place: str,
    memory_file: Path,
    root_file: Path | None,
    folder: Path | None,
    roles: tuple[str, ...],
    as_json: bool,
) -> None:
    """Check that the log only grew and holds every role version that a mirror serves.

    Exit status 1 when something is wrong, with the evidence; the memory then stays as it was. What
    is logged and not served is only asked about, with exit status 1 and a memory that goes on.
    """
    from signer.audit.inquiry import Inquiry
    from signer.audit.log_audit import audit_log
    from signer.audit.memory import store_memory
    from signer.work_folder import WorkFolder

    memory, is_first = _load_memory(memory_file, root_file)
    inquiry = Inquiry(None if folder is None else WorkFolder(folder), roles)
    if inquiry.folder is not None:
        inquiry.folder.load_versions()  # what is wrong with it is told before the log is read
    with _mirror(place, surroundings.monotonic) as mirror, _progress() as progress:
        done = audit_log(mirror, memory, surroundings.now, progress, inquiry)
    if done.memory is not None:
        store_memory(memory_file, done.memory)
    summary = _summary(done)
    if as_json:
        value = describe_audit(done, memory, is_first=is_first) | describe_inquiry(inquiry)
        print_json(value | ({"error": summary} if summary else {}))
    else:
        print_audit(done, memory)
        print_inquiry(inquiry)
        print_findings(done.findings)
    if summary:
        # Not raised, because the JSON says it already.
        report(summary)
        click.get_current_context().exit(REFUSED)


def _summary(done: Audit) -> str:
    total = done.findings.total
    if not total:
        return ""
    found = f"{total} finding{'s' * (total > 1)}"
    if done.findings.wrong:
        return f"{found}; the memory is as it was."
    return (
        f"{found}, of which none contradicts the log; the memory goes on, so ask now and keep this"
        " output."
    )


def _load_memory(memory_file: Path, root_file: Path | None) -> tuple[Memory, bool]:
    from server.core.metadata import ROOT_LIMIT
    from signer.audit.memory import begin_memory, load_memory

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
