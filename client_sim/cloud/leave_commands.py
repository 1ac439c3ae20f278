"""`hening-device cloud`: commands to withdraw consent, erase the account, or move it."""

from typing import TYPE_CHECKING, Any, Final

import click

from client_sim.cloud.options import (
    AGE,
    GUARDIAN,
    LOCALE,
    NAME,
    NEW_PASSWORD,
    REGION,
    YES,
    Done,
    command,
)
from client_sim.device.options import format_date

if TYPE_CHECKING:
    from client_sim.cloud.account import Cloud


@command("withdraw")
@YES
def withdraw_command(cloud: "Cloud", is_sure: bool) -> Done:
    """Withdraw the consent: uploads end now; the account is erased within the policy's hours."""
    from client_sim.cloud.account import withdraw

    if not is_sure:
        click.confirm("Withdraw your consent and erase the account?", abort=True, err=True)
    found = withdraw(cloud)
    told = f"Withdrawn. The account's erasure begins {format_date(found.begins_at)}."
    value = {"begins_at": found.begins_at, "ends_at": found.ends_at, "id": found.erasure}
    return Done(value, told, "the withdrawal")


@command("erase")
@YES
def erase_command(cloud: "Cloud", is_sure: bool) -> Done:
    """Erase the account on the server; this phone keeps its records."""
    from client_sim.cloud.leave import erase, finish_erasure

    if not is_sure:
        click.confirm("Erase everything on the server? It cannot be undone.", abort=True, err=True)
    found = erase(cloud)
    said = finish_erasure(cloud)
    told = f"The erasure {found.id} is due by {format_date(found.due_at)}; see cloud receipt."
    if said is not None:
        told = _tell_receipt(said)
    return Done({"id": found.id, "receipt": said}, told, "the request to erase the account")


@command("receipt")
def receipt_command(cloud: "Cloud") -> Done:
    """Fetch the receipt of an erasure, and check its signature and deadlines."""
    from client_sim.cloud.leave import finish_erasure

    said = finish_erasure(cloud)
    told = "The erasure is not done yet." if said is None else _tell_receipt(said)
    return Done({"receipt": said}, told, "the erasure's random id")


@command("move", "--region eu --name ani-7fq2 --age 30")
@REGION
@NAME
@NEW_PASSWORD
@LOCALE
@AGE
@GUARDIAN
@YES
def move_command(
    cloud: "Cloud",
    region: str,
    name: str,
    new_password: str,
    locale: str,
    age: int,
    guardian: bool,
    is_sure: bool,
) -> Done:
    """Move the account to another region: upload and verify there, then erase here."""
    from client_sim.cloud.account import fetch_policy
    from client_sim.cloud.leave import finish_erasure, move

    found = cloud.find_region(region)
    policy, text = fetch_policy(cloud, found, locale)
    if not is_sure:
        click.echo(text)
        click.confirm("Do you agree to this, and move?", abort=True, err=True)
    report = move(
        cloud,
        found,
        name,
        new_password,
        locale=locale,
        at_least=age,
        guardian=guardian,
        sha256=policy.sha256,
    )
    said = finish_erasure(cloud)
    told = f"Everything is in {region}. Your recovery words stay the same."
    if said is not None:
        told += f"\n{_tell_receipt(said)}"
    left = "to the new region: your consent, and all records of types that are on, encrypted again"
    return Done({"sent": report.sent, "receipt": said}, told, left)


def _tell_receipt(said: dict[str, Any]) -> str:
    erased = said["erased"]
    return (
        f"Erased: {erased['items']} record(s), {erased['bytes']} bytes. The last backup of them"
        f" will be gone by {format_date(said['last_backup_gone'])}. The signed receipt is stored"
        " on the phone."
    )


COMMANDS: Final = (withdraw_command, erase_command, receipt_command, move_command)
