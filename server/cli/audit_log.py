"""`audit-log`: shows and verifies the record of all changes by people."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.text import Text

from hening.times import UTC_TIMES, show_time
from server.cli.database import read_database, run_in_database
from server.cli.options import JSON, STATE, require_state
from server.core.content.invisible import escape_invisible
from server.core.errors import HeningError
from server.place_options import is_given, place_option
from server.storage.layout import StateFolder

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from server.publisher.build_names import BuildNames
    from server.release.rollouts.changes import ChangeView
    from server.storage.database import Sessions
    from server.storage.models import Change

_INDENT = 4


def print_entries(rows: Sequence[Mapping[str, Any]], changes: Mapping[str, ChangeView]) -> None:
    """Print entries; `changes` has the changes that they name, by id."""
    from server.console.texts import describe_details, describe_entry

    console = Console(highlight=False)
    for row in rows:
        head = (str(row["index"]), show_time(row["at"]), row["actor"], row["action"])
        console.print(Text(escape_invisible("  ".join(head)), style="bold"))
        change = changes.get(row["detail"].get("change", ""))
        description = describe_entry(row["actor"], row["action"], row["subject"], change)
        more = describe_details(row["action"], row["at"], row["detail"], change, show_time)
        for line in (description, more):
            text = Text(escape_invisible(line))
            for part in text.wrap(console, console.width - _INDENT) if line else ():
                part.rstrip()
                console.print(Text(" " * _INDENT) + part)


TIME = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%MZ"])
_HEAD = re.compile(r"([1-9][0-9]{0,15}):([0-9a-f]{64})")


@click.group("audit-log", epilog="Example: hening-server audit-log list --state var/server")
def audit_log() -> None:
    """Read and verify the audit log of what people changed."""


@audit_log.command(
    "list",
    epilog="Example: hening-server audit-log list --actor ani --since 2026-12-01",
)
@click.option("--actor", default="", help="An account with its tokens, or cli:USER.")
@click.option("--action", default="", help="An action, or the group before its dot.")
@click.option("--subject", default="", help="The subject of the change.")
@click.option("--since", type=TIME, help="UTC, inclusive.")
@click.option("--until", type=TIME, help="UTC, inclusive.")
@click.option("--before", type=int, help="Only entries with a smaller number: the next page.")
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=50,
    show_default=True,
    help="The maximum number of entries.",
)
@STATE
@UTC_TIMES
@JSON
def list_entries(
    actor: str,
    action: str,
    subject: str,
    since: datetime | None,
    until: datetime | None,
    before: int | None,
    limit: int,
    state: Path,
    as_json: bool,
) -> None:
    """Show entries, the newest first."""
    from sqlalchemy import select

    from server.release.auth.audit_log import describe
    from server.release.auth.audit_log_query import AuditLogFilter, query_audit_log
    from server.release.rollouts.changes import show_change
    from server.storage.models import Change

    filters = AuditLogFilter(actor, action, subject, _seconds(since), _seconds(until))

    async def work(session: AsyncSession) -> tuple[list[dict[str, Any]], Sequence[Change]]:
        entries = await query_audit_log(session, filters, before=before, limit=limit)
        found = [describe(entry) for entry in entries]
        ids = {row["detail"].get("change", "") for row in found}
        return found, (await session.scalars(select(Change).where(Change.id.in_(ids)))).all()

    folder = require_state(state, newest=False)
    rows, changes = read_database(folder, work)
    if as_json:
        click.echo(json.dumps(rows))
        return
    if not rows:
        click.echo("No entry of the audit log matches.")
    names = _load_names(folder)
    print_entries(rows, {change.id: show_change(change, names) for change in changes})


@audit_log.command(
    epilog="Example: hening-server audit-log export --state var/server > audit-log.jsonl"
)
@STATE
def export(state: Path) -> None:
    """Print all entries as lines of JSON, the oldest first (FORMATS.md section 11)."""
    from server.release.auth.audit_log_query import export_audit_log

    async def work(sessions: Sessions) -> None:
        async for lines in export_audit_log(sessions):
            click.echo(lines, nl=False)

    run_in_database(require_state(state, newest=False), work)


@audit_log.command(
    epilog="Example: hening-server audit-log verify --state var/server, or hening-server audit-log"
    " verify --export audit-log.jsonl"
)
@place_option(
    "state",
    type=click.Path(path_type=Path),
    required=False,
    help="The server's state folder.",
)
@click.option(
    "--export",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="An export, instead of a state folder.",
)
@click.option("--head", "heads", multiple=True, help="INDEX:SHA256, kept from an earlier run.")
@JSON
def verify(state: Path | None, file: Path | None, heads: tuple[str, ...], as_json: bool) -> None:
    """Verify the chain, and that each --head is in it; print the current head.

    Keep that head where the server's operators cannot change it, because a forged chain can be
    valid, too.
    """
    from server.release.auth.audit_log_query import verify_audit_log, verify_export

    if file is not None and not is_given("state"):
        state = None
    if (state is None) == (file is None):
        raise click.UsageError("name either --state or --export.")
    remembered = dict(map(_read_head, heads))

    if file is not None:
        with file.open("rb") as lines:
            found = verify_export(lines, remembered)
    elif state is not None:
        found = read_database(
            require_state(state, newest=False), lambda s: verify_audit_log(s, remembered)
        )
    if as_json:
        click.echo(json.dumps({"length": found.length, "sha256": found.sha256}))
        return
    click.echo(f"{found.length} entries are as they were recorded.")
    if found.length:
        click.echo(f"Head: {found.length}:{found.sha256}")


def _read_head(text: str) -> tuple[int, str]:
    match = _HEAD.fullmatch(text)
    if match is None:
        raise click.UsageError("a head is INDEX:SHA256, as `audit-log verify` prints it.")
    return int(match[1]), match[2]


def _load_names(folder: StateFolder) -> BuildNames:
    """Return the names of public builds; if they cannot be read, builds have only counters."""
    from server.publisher.build_names import BuildNames
    from server.publisher.published import load_published

    try:
        published = load_published(folder.public)
    except (HeningError, OSError):
        published = None
    return BuildNames({} if published is None else published.roles)


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.replace(tzinfo=UTC).timestamp())
