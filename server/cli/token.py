"""`token`: API tokens of accounts. `session`: sessions of browsers in the console."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hening.times import UTC_TIMES, show_time
from server.cli.database import change_database, epoch, operator, read_database
from server.cli.options import JSON, STATE, require_state
from server.release.auth.principal import MAX_TOKEN_DAYS, Permission
from server.tables import print_table

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from server.storage.models import Token, WebSession

PERMISSIONS = click.Choice([permission.value for permission in Permission])


@click.group(epilog="Example: hening-server token list --state var/server")
def token() -> None:
    """Manage API tokens. A token is shown once, when it is created; the server stores a hash."""


@token.command(
    epilog="Example: hening-server token create ani --label laptop --days 30 --permission read"
    " --state var/server"
)
@click.argument("account")
@click.option("--label", required=True, help="A label, to recognise the token later.")
@click.option(
    "--permission",
    "permissions",
    multiple=True,
    type=PERMISSIONS,
    help="Limit it to this right; repeatable.  [default: all rights of the role]",
)
@click.option(
    "--days",
    type=click.IntRange(1, MAX_TOKEN_DAYS),
    default=90,
    show_default=True,
    help="Days until it expires.",
)
@STATE
@JSON
def create(
    account: str,
    label: str,
    permissions: tuple[str, ...],
    days: int,
    state: Path,
    as_json: bool,
) -> None:
    """Create a token for ACCOUNT and print it once. Its description goes to standard error."""
    from server.release.auth.tokens import create_token

    at, by = epoch(), operator()
    issued = change_database(
        require_state(state, newest=False),
        lambda session: create_token(
            session,
            by,
            os.urandom,
            account=account,
            label=label,
            permissions=[Permission(name) for name in permissions] or None,
            expires_at=at + days * 86_400,
            at=at,
        ),
    )
    if as_json:
        click.echo(json.dumps({**_describe(issued.row, at), "token": issued.text}))
        return
    click.echo(
        f"Token {issued.row.id} of {account} is valid until {show_time(issued.row.expires_at)}."
        " It is shown only now:",
        err=True,
    )
    click.echo(issued.text)


@token.command("list", epilog="Example: hening-server token list --account ani --state var/server")
@click.option("--account", help="Only tokens of this account.")
@STATE
@UTC_TIMES
@JSON
def list_all(account: str | None, state: Path, as_json: bool) -> None:
    """List tokens by id; their secrets are not stored."""
    from server.release.auth.tokens import list_tokens

    found = read_database(
        require_state(state, newest=False), lambda session: list_tokens(session, account)
    )
    _show(found, epoch(), as_json=as_json)


@token.command(epilog="Example: hening-server token revoke 0123456789ab --state var/server")
@click.argument("identities", nargs=-1, metavar="ID...")
@click.option("--account", help="All tokens of this account.")
@STATE
@JSON
def revoke(identities: tuple[str, ...], account: str | None, state: Path, as_json: bool) -> None:
    """Revoke tokens immediately; if one cannot be revoked, none is."""
    from server.release.auth.tokens import list_tokens, revoke_token

    if bool(identities) == (account is not None):
        raise click.UsageError("name tokens by their ids, or --account for all of one account.")
    at, by = epoch(), operator()

    async def work(session: AsyncSession) -> list[Token]:
        chosen = identities or [row.id for row in await list_tokens(session, account)]
        return [
            await revoke_token(session, by, identity=identity, at=at)
            for identity in dict.fromkeys(chosen)
        ]

    _show(change_database(require_state(state, newest=False), work), at, as_json=as_json)


def _show(rows: Sequence[Token], at: int, *, as_json: bool) -> None:
    described = [_describe(row, at) for row in rows]
    if as_json:
        click.echo(json.dumps(described))
        return
    print_table(
        "",
        ("id", "account", "label", "permissions", "expires", "state"),
        [
            (
                row["id"],
                row["account"],
                row["label"],
                " ".join(row["permissions"]),
                show_time(row["expires_at"]),
                row["state"],
            )
            for row in described
        ],
        empty="There is no token: `hening-server token create` makes one.",
    )


def _describe(row: Token, at: int) -> dict[str, Any]:
    from server.release.auth.tokens import token_permissions, token_state

    return {
        "id": row.id,
        "account": row.account,
        "label": row.label,
        "permissions": sorted(token_permissions(row)),
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        "state": token_state(row, at),
    }


@click.group("session", epilog="Example: hening-server session list --state var/server")
def session_group() -> None:
    """Show and end sessions of the console. A session ends by itself after 12 hours."""


@session_group.command(
    "list", epilog="Example: hening-server session list --account ani --state var/server"
)
@click.option("--account", help="Only sessions of this account.")
@STATE
@UTC_TIMES
@JSON
def list_open(account: str | None, state: Path, as_json: bool) -> None:
    """Show the open sessions, the newest first."""
    from server.release.auth.web_sessions import list_sessions

    at, folder = epoch(), require_state(state, newest=False)
    _show_sessions(read_database(folder, lambda s: list_sessions(s, at, account)), as_json=as_json)


@session_group.command(
    epilog="Example: hening-server session end s-0123456789ab --state var/server"
)
@click.argument("identities", nargs=-1, metavar="ID...")
@click.option("--account", help="All sessions of this account.")
@STATE
@JSON
def end(identities: tuple[str, ...], account: str | None, state: Path, as_json: bool) -> None:
    """End sessions immediately; if one cannot be ended, none is."""
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

    _show_sessions(change_database(require_state(state, newest=False), work), as_json=as_json)


def _show_sessions(rows: Sequence[WebSession], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([_describe_session(row) for row in rows]))
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


def _describe_session(row: WebSession) -> dict[str, Any]:
    return {
        "id": row.id,
        "account": row.account,
        "token": row.token,
        "created_at": row.created_at,
        "seen_at": row.seen_at,
        "expires_at": row.expires_at,
        "ended_at": row.ended_at,
    }
