"""`account`: the people and programs that may use the control plane."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hening.times import UTC_TIMES, show_time
from server.cli.database import change_database, epoch, operator, read_database
from server.cli.options import JSON, STATE, require_state
from server.release.auth.principal import EVERY_CODENAME, Principal, Role
from server.tables import print_table

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from server.storage.models import Account

NAME = click.argument("name")
ROLES = click.Choice([role.value for role in Role])
CODENAMES = click.option(
    "--codename", "codenames", multiple=True, help="A codename, content or tables; repeatable."
)
EVERYWHERE = click.option("--all-codenames", is_flag=True, help="Rights for every codename.")


@click.group(epilog="Example: hening-server account list --state var/server")
def account() -> None:
    """Manage the accounts of the control plane. The first admin is created here.

    An account is a person or a program. Its role determines what it may do, and its codenames
    determine where. Accounts sign nothing. They log in with tokens: see `hening-server token`.
    """


@account.command(
    epilog="Example: hening-server account add ani --role engineer --codename armani"
    " --state var/server"
)
@NAME
@click.option("--role", required=True, type=ROLES, help="Its role.")
@CODENAMES
@EVERYWHERE
@STATE
@JSON
def add(
    name: str,
    role: str,
    codenames: tuple[str, ...],
    all_codenames: bool,
    state: Path,
    as_json: bool,
) -> None:
    """Create the account NAME. A name can be used only once."""
    from server.release.auth.accounts import create_account

    chosen = _choose_codenames(codenames, all_codenames)
    if chosen is None:
        raise click.UsageError(
            "name the codenames for which it has rights: --codename, or --all-codenames."
        )

    def work(session: AsyncSession, by: Principal) -> Awaitable[Account]:
        return create_account(session, by, name=name, role=Role(role), codenames=chosen, at=epoch())

    _change(state, work, as_json=as_json)


@account.command(
    "set",
    epilog="Example: hening-server account set ani --role approver --all-codenames"
    " --state var/server",
)
@NAME
@click.option("--role", type=ROLES, help="Its new role.")
@CODENAMES
@EVERYWHERE
@click.option(
    "--oidc-subject",
    "subject",
    help="The provider's subject that can log in as NAME; empty for none.",
)
@STATE
@JSON
def set_account(
    name: str,
    role: str | None,
    codenames: tuple[str, ...],
    all_codenames: bool,
    subject: str | None,
    state: Path,
    as_json: bool,
) -> None:
    """Change the role or the codenames of NAME. It applies to its tokens immediately."""
    from server.release.auth.accounts import change_account

    chosen = _choose_codenames(codenames, all_codenames)
    if role is None and chosen is None and subject is None:
        raise click.UsageError(
            "name a change: --role, --codename, --all-codenames or --oidc-subject."
        )

    def work(session: AsyncSession, by: Principal) -> Awaitable[Account]:
        new_role = None if role is None else Role(role)
        return change_account(
            session,
            by,
            name=name,
            role=new_role,
            codenames=chosen,
            subject=subject,
            at=epoch(),
        )

    _change(state, work, as_json=as_json)


@account.command(epilog="Example: hening-server account disable ani --state var/server")
@NAME
@STATE
@JSON
def disable(name: str, state: Path, as_json: bool) -> None:
    """Disable NAME and revoke its tokens. Accounts are never deleted."""
    from server.release.auth.accounts import disable_account

    _change(state, lambda s, by: disable_account(s, by, name=name, at=epoch()), as_json=as_json)


@account.command(epilog="Example: hening-server account enable ani --state var/server")
@NAME
@STATE
@JSON
def enable(name: str, state: Path, as_json: bool) -> None:
    """Enable NAME again; it needs a new token."""
    from server.release.auth.accounts import enable_account

    _change(state, lambda s, by: enable_account(s, by, name=name, at=epoch()), as_json=as_json)


@account.command("list", epilog="Example: hening-server account list --state var/server")
@STATE
@UTC_TIMES
@JSON
def list_all(state: Path, as_json: bool) -> None:
    """Show all accounts, including disabled ones."""
    from server.release.auth.accounts import list_accounts

    _show(read_database(require_state(state, newest=False), list_accounts), as_json=as_json)


def _choose_codenames(codenames: tuple[str, ...], everywhere: bool) -> tuple[str, ...] | None:
    if codenames and everywhere:
        raise click.UsageError("--codename and --all-codenames contradict each other.")
    return (EVERY_CODENAME,) if everywhere else codenames or None


def _change(
    state: Path, work: Callable[[AsyncSession, Principal], Awaitable[Account]], *, as_json: bool
) -> None:
    by, folder = operator(), require_state(state, newest=False)
    _show([change_database(folder, lambda session: work(session, by))], as_json=as_json)


def _show(rows: Sequence[Account], *, as_json: bool) -> None:
    from server.release.auth.accounts import account_codenames

    if as_json:
        click.echo(json.dumps([_describe(row) for row in rows]))
        return
    print_table(
        "",
        ("account", "role", "codenames", "made", "disabled"),
        [
            (
                row.name,
                row.role,
                _spell_codenames(account_codenames(row)),
                show_time(row.created_at),
                show_time(row.disabled_at),
            )
            for row in rows
        ],
        empty="There is no account yet: `hening-server account add` makes one.",
    )


def _spell_codenames(codenames: tuple[str, ...]) -> str:
    return "all" if codenames == (EVERY_CODENAME,) else " ".join(codenames)


def _describe(row: Account) -> dict[str, Any]:
    from server.release.auth.accounts import account_codenames

    return {
        "name": row.name,
        "role": row.role,
        "codenames": list(account_codenames(row)),
        "oidc_subject": row.subject,
        "created_at": row.created_at,
        "disabled_at": row.disabled_at,
    }
