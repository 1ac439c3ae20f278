"""`cloud account`: shows accounts by their random ids, suspends and erases them.

`cloud code`: makes invitation codes, with which owners sign up.
"""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.cli.cloud_folder import (
    FOLDER,
    PEPPER,
    epoch,
    load_law,
    load_settings,
    open_cloud_bodies,
    open_peppers,
    run_in_cloud,
)
from server.cli.options import JSON
from server.core.quantities import spell_size
from server.tables import print_table

if TYPE_CHECKING:
    from server.cloud.operator import Row
    from server.storage.database import Sessions

ID = click.argument("account", metavar="ID")
DAY = 24 * 60 * 60
WEEK = 7 * DAY


@click.group()
def account() -> None:
    """Show the sizes of accounts by their random ids, and suspend or erase an account.

    Neither names nor stored data can be seen here, or anywhere on the server.
    """


@account.command(
    "list", epilog="Example: hening-server cloud account list --folder /var/lib/hening-cloud"
)
@FOLDER
@JSON
def list_all(folder: Path, as_json: bool) -> None:
    """List accounts in the order of their ids.

    The last use is the first day of a week, because the server does not store the day.
    """

    async def work(database: "Sessions") -> "list[Row]":
        from server.cloud.operator import PAGE, list_accounts

        rows: list[Row] = []
        while True:
            async with database() as db:
                page = await list_accounts(db, rows[-1].id if rows else "", epoch())
            rows += page
            if len(page) < PAGE:
                return rows

    rows = run_in_cloud(folder, load_settings(folder), work)
    if as_json:
        click.echo(_encode(rows))
    else:
        _print(rows)


@account.command(
    epilog="Example: hening-server cloud account show ID --folder /var/lib/hening-cloud"
)
@ID
@FOLDER
@JSON
def show(account: str, folder: Path, as_json: bool) -> None:
    """Show the account ID."""

    async def work(database: "Sessions") -> "Row":
        from server.cloud.operator import show_account

        async with database() as db:
            return await show_account(db, account, epoch())

    row = run_in_cloud(folder, load_settings(folder), work)
    if as_json:
        click.echo(_encode(row))
    else:
        _print_one(row)


@account.command(
    epilog="Example: hening-server cloud account suspend ID --folder /var/lib/hening-cloud"
)
@ID
@FOLDER
@click.option("--lift", is_flag=True, help="Serve the account again.")
def suspend(account: str, folder: Path, lift: bool) -> None:
    """Suspend the account ID: only export and erasure are served. Its data is kept."""

    async def work(database: "Sessions") -> None:
        from server.cloud.operator import suspend_account

        async with database.begin() as db:
            await suspend_account(db, account, is_suspended=not lift)

    run_in_cloud(folder, load_settings(folder), work)
    click.echo(f"The account {account} is {'served again' if lift else 'suspended'}.")


@account.command(
    epilog="Example: hening-server cloud account erase ID --folder /var/lib/hening-cloud --pepper"
    " /etc/hening/cloud-pepper --yes"
)
@ID
@FOLDER
@PEPPER
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(account: str, folder: Path, pepper: Path | None, yes: bool) -> None:
    """Erase the account ID and all of its data, as its owner could. It cannot be undone."""
    from server.cloud.operator import show_account

    if not yes:
        click.confirm(f"Erase the account {account} and all of its data?", abort=True)
    settings = load_settings(folder)
    peppers = open_peppers(pepper, settings)
    bodies = open_cloud_bodies(folder, settings)

    async def work(database: "Sessions") -> tuple[str, str]:
        async with database() as db:
            await show_account(db, account, epoch())
        law = await load_law(database, bodies, peppers, settings)
        async with law.finishing():
            row = await law.ask_to_erase(account)
        return row.id, row.step

    erasure, step = run_in_cloud(folder, settings, work)
    if step == "done":
        click.echo(f"The account is erased; its receipt is at /erasure/{erasure}.")
    else:
        click.echo(f"Its keys are erased. The cloud erases the rest later: /erasure/{erasure}.")


def _encode(value: object) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()


def _print(rows: "Sequence[Row]") -> None:
    columns = ("account", "kept", "last use", "policy", "collections", "items", "devices")
    print_table(
        "",
        columns,
        [
            (
                f"{row.id} suspended" if row.suspended else row.id,
                spell_size(row.bytes),
                _spell_week(row.used_week),
                _spell_version(row.policy),
                str(row.collections),
                str(row.items),
                str(row.sessions),
            )
            for row in rows
        ],
        "There are no accounts.",
    )


def _print_one(row: "Row") -> None:
    facts = (
        ("account", row.id),
        ("kept", spell_size(row.bytes)),
        ("quota", spell_size(row.quota) if row.quota else "any"),
        ("made in the week from", _spell_week(row.created_week)),
        ("last use in the week from", _spell_week(row.used_week)),
        ("policy agreed to", _spell_version(row.policy)),
        ("collections", str(row.collections)),
        ("items", str(row.items)),
        ("vaults", str(row.vaults)),
        ("devices", str(row.sessions)),
        ("suspended", "yes" if row.suspended else "no"),
    )
    print_table("", ("", ""), facts)


def _spell_version(version: int) -> str:
    return str(version) if version else "none"


def _spell_week(week: int) -> str:
    """Return the first day of a week, which is counted from 1970 on."""
    return f"{datetime.fromtimestamp(week * WEEK, UTC):%Y-%m-%d}"


@click.group("code", epilog="Example: hening-server cloud code new --folder /srv/cloud")
def code_group() -> None:
    """Make the codes that owners need to sign up."""


@code_group.command(epilog="Example: hening-server cloud code new --count 5 --folder /srv/cloud")
@FOLDER
@click.option(
    "--count",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="The number of codes.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 365),
    default=30,
    show_default=True,
    help="Days until an unused code expires.",
)
def new(folder: Path, count: int, days: int) -> None:
    """Make codes, one for each account. They are shown only now.

    The owner signs up in any Etebase client with a name that ends in `-` and the code.
    """
    from server.cloud.accounts.owners import add_code, draw_code

    codes = [draw_code(os.urandom) for _ in range(count)]

    async def work(database: "Sessions") -> None:
        async with database.begin() as db:
            for code in codes:
                await add_code(db, code, epoch() + days * DAY)

    run_in_cloud(folder, load_settings(folder), work)
    for code in codes:
        click.echo(code)
