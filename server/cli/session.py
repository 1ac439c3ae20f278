"""`session`: browsers that are signed in to the console."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hening.times import UTC_TIMES, show_time
from server.cli.database import change_database, epoch, operator, read_database
from server.cli.options import JSON, STATE, require_state
from server.tables import print_table

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from server.storage.control_models import WebSession


@click.group("session", epilog="Example: hening-server session list --state var/server")
def session_group() -> None:
    """Show and end sessions of the console. A session ends by itself after 12 hours."""


@session_group.command(
    "list", epilog="Example: hening-server session list --account ani --state var/server"
)
@click.option("--account", help="Of this account only.")
@STATE
@UTC_TIMES
@JSON
def list_all(account: str | None, state: Path, as_json: bool) -> None:
    """Show the open sessions, the newest first."""
    from server.release.auth.web_sessions import list_sessions

    at, folder = epoch(), require_state(state, newest=False)
    _show(read_database(folder, lambda s: list_sessions(s, at, account)), as_json=as_json)


@session_group.command(
    epilog="Example: hening-server session end s-0123456789ab --state var/server"
)
@click.argument("identities", nargs=-1, metavar="ID...")
@click.option("--account", help="All sessions of this account.")
@STATE
@JSON
def end(identities: tuple[str, ...], account: str | None, state: Path, as_json: bool) -> None:
    """End sessions immediately, all of them or none."""
    from server.release.auth.web_sessions import end_session, list_sessions

    if bool(identities) == (account is not None):
        raise click.UsageError("name sessions by their ids, or --account for all of one account.")
    at, by = epoch(), operator()

    async def work(session: AsyncSession) -> list[WebSession]:
        chosen = identities or [row.id for row in await list_sessions(session, at, account)]
        return [
            await end_session(session, by, identity=identity, at=at)
            for identity in dict.fromkeys(chosen)
        ]

    _show(change_database(require_state(state, newest=False), work), as_json=as_json)


def _show(rows: Sequence[WebSession], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([_describe(row) for row in rows]))
        return
    print_table(
        "",
        ("id", "account", "by", "begun", "last seen", "ended"),
        [
            (
                row.id,
                row.account,
                row.token or "login",
                *map(show_time, (row.created_at, row.seen_at, row.ended_at)),
            )
            for row in rows
        ],
        empty="There is no session of the console.",
    )


def _describe(row: WebSession) -> dict[str, Any]:
    return {
        "id": row.id,
        "account": row.account,
        "token": row.token,
        "created_at": row.created_at,
        "seen_at": row.seen_at,
        "expires_at": row.expires_at,
        "ended_at": row.ended_at,
    }
