"""`cloud code` and `cloud breach`: invitation codes, and notices of a breach."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hening.times import UTC_TIMES, show_time
from server.cli.cloud_folder import FOLDER, epoch, load_settings, run_in_cloud

if TYPE_CHECKING:
    from server.storage.database import Sessions

DAY = 24 * 60 * 60


@click.group("code", epilog="Example: hening-server cloud code new --folder /srv/cloud")
def code_group() -> None:
    """Make the codes that owners need to sign up."""


@code_group.command(epilog="Example: hening-server cloud code new --count 5 --folder /srv/cloud")
@FOLDER
@click.option(
    "--count", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many."
)
@click.option(
    "--days",
    type=click.IntRange(1, 365),
    default=30,
    show_default=True,
    help="Days until an unused code expires.",
)
def new(folder: Path, count: int, days: int) -> None:
    """Make codes, one for each account. They are shown this once.

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


@click.group("breach", epilog="Example: hening-server cloud breach found --folder /srv/cloud")
def breach_group() -> None:
    """Record breaches, and notify owners within the hours of the policy."""


@breach_group.command(epilog="Example: hening-server cloud breach found --folder /srv/cloud")
@FOLDER
@click.option(
    "--at",
    type=click.DateTime(["%Y-%m-%dT%H:%M"]),
    help="When it was found, in UTC.  [default: now]",
)
@UTC_TIMES
def found(folder: Path, at: datetime | None) -> None:
    """Record a breach; the server raises an alarm until owners are notified."""
    from server.cloud.law.notices import note_breach
    from server.cloud.law.policies import Policies

    moment = epoch() if at is None else int(at.replace(tzinfo=UTC).timestamp())
    settings = load_settings(folder)

    async def work(database: "Sessions") -> tuple[int, int | None]:
        signed = await Policies(database, settings.policy_key).current(epoch())
        async with database.begin() as db:
            number = await note_breach(db, moment, "")
        hours = None if signed is None else signed.policy.hours.breach_notice
        return number, hours

    number, hours = run_in_cloud(folder, settings, work)
    click.echo(f"Breach {number} was found on {show_time(moment)}.")
    if hours is not None:
        click.echo(f"Notify owners by {show_time(moment + hours * 60 * 60)}.")
    click.echo(f'Next: hening-server cloud breach tell {number} "TEXT" --folder {folder}')


@breach_group.command(
    epilog='Example: hening-server cloud breach tell 1 "A copy of the database was stolen; change'
    ' your password." --folder /srv/cloud'
)
@click.argument("number", type=click.IntRange(1))
@click.argument("text")
@FOLDER
def tell(number: int, text: str, folder: Path) -> None:
    """Notify owners of a breach: their devices and their pages show TEXT from now on."""
    from server.cloud.law.notices import tell_breach

    if not text.strip() or len(text) > 2000 or not text.isprintable():
        raise click.UsageError("TEXT is one line of 1 to 2,000 characters.")

    async def work(database: "Sessions") -> None:
        async with database.begin() as db:
            await tell_breach(db, number, text, epoch())

    run_in_cloud(folder, load_settings(folder), work)
    click.echo(f"Owners are notified of breach {number} from now on.")
