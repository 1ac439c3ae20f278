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
    Result,
    command,
)
from client_sim.device.options import format_date

if TYPE_CHECKING:
    from client_sim.cloud.account import Cloud


@command("withdraw")
@YES
def withdraw_command(cloud: "Cloud", is_sure: bool) -> Result:
    """Withdraw the consent: uploads end now; the account is erased within the policy's hours."""
    from client_sim.cloud.account import withdraw

    if not is_sure:
        click.confirm("Withdraw your consent and erase the account?", abort=True, err=True)
    found = withdraw(cloud)
    message = f"Withdrawn. The account's erasure begins {format_date(found.begins_at)}."
    value = {"begins_at": found.begins_at, "ends_at": found.ends_at, "id": found.erasure}
    return Result(value, message, "the withdrawal")


@command("erase")
@YES
def erase_command(cloud: "Cloud", is_sure: bool) -> Result:
    """Erase the account on the server; this phone keeps its records."""
    from client_sim.cloud.leave import erase, finish_erasure

    if not is_sure:
        click.confirm("Erase everything on the server? It cannot be undone.", abort=True, err=True)
    found = erase(cloud)
    receipt = finish_erasure(cloud)
    message = f"The erasure {found.id} is due by {format_date(found.due_at)}; see cloud receipt."
    if receipt is not None:
        message = _describe_receipt(receipt)
    return Result({"id": found.id, "receipt": receipt}, message, "the request to erase the account")


@command("receipt")
def receipt_command(cloud: "Cloud") -> Result:
    """Fetch the receipt of an erasure, and check its signature and deadlines."""
    from client_sim.cloud.leave import finish_erasure

    receipt = finish_erasure(cloud)
    message = "The erasure is not done yet." if receipt is None else _describe_receipt(receipt)
    return Result({"receipt": receipt}, message, "the erasure's random id")


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
) -> Result:
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
    receipt = finish_erasure(cloud)
    message = f"Everything is in {region}. Your recovery words stay the same."
    if receipt is not None:
        message += f"\n{_describe_receipt(receipt)}"
    sent = "to the new region: your consent, and all records of types that are on, encrypted again"
    return Result({"sent": report.sent, "receipt": receipt}, message, sent)


def _describe_receipt(receipt: dict[str, Any]) -> str:
    erased = receipt["erased"]
    return (
        f"Erased: {erased['items']} record(s), {erased['bytes']} bytes. The last backup of them"
        f" will be gone by {format_date(receipt['last_backup_gone'])}. The signed receipt is stored"
        " on the phone."
    )


COMMANDS: Final = (withdraw_command, erase_command, receipt_command, move_command)
