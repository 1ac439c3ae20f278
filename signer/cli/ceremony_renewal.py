"""`ceremony renew` and `expiry`: list when roles expire, and sign them again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from hening.times import UTC_TIMES, show_time
from server.core.names import is_online
from server.place_options import place_option
from server.tables import print_table
from signer.ceremony.policy import MAX_EXPIRY_DAYS
from signer.cli.change import Destination, change_options, finish_change
from signer.cli.output import json_option, print_json
from signer.cli.parameters import (
    FOLDER,
    NumberAssignment,
    collected,
)
from signer.cli.runtime import Runtime
from signer.errors import CeremonyError

if TYPE_CHECKING:
    from tuf.api.metadata import Root, Targets

    from signer.ceremony.root_plan import Expiry
    from signer.signing import Trusted
    from signer.work_folder import WorkFolder

expires_option = click.option(
    "--expires",
    "expiry_days",
    type=NumberAssignment(MAX_EXPIRY_DAYS),
    multiple=True,
    callback=collected,
    metavar="ROLE=DAYS",
    help="Days until a role expires. Default: root 365, others 90.",
)


@click.command(
    epilog="Example: hening-signer ceremony renew --repo repo --within 30 --propose renewal.json"
)
@click.argument("roles", metavar="[ROLE]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Renew every offline role.")
@click.option(
    "--within", type=click.IntRange(min=0), metavar="DAYS", help="Renew what expires in DAYS."
)
@expires_option
@change_options
def renew(
    roles: tuple[str, ...],
    every: bool,
    within: int | None,
    expiry_days: dict[str, int],
    destination: Destination,
) -> None:
    """Sign roles again before they expire, with nothing else changed."""
    from signer.ceremony.root_plan import list_expiries, plan_renewal
    from signer.proposal.document import Change
    from signer.signing import load_trusted

    if sum((bool(roles), every, within is not None)) != 1:
        raise click.UsageError("Name the roles, or give --all, or --within DAYS.")
    current = load_roles(destination.folder, load_trusted(destination.folder, None))
    names = list(roles) or [
        expiry.role
        for expiry in list_expiries(current)
        if every or (within is not None and expiry.days_left(destination.now) < within)
    ]
    if not names:
        raise CeremonyError(f"No role expires within {within} days; there is nothing to renew.")
    planned = plan_renewal(names, current, expiry_days, destination.now)
    finish_change(destination, Change(planned))


@click.command(epilog="Example: hening-signer ceremony expiry --repo repo --within 30")
@place_option("repo", type=FOLDER, help="The working folder.")
@click.option(
    "--within", type=click.IntRange(min=0), metavar="DAYS", help="Only what expires in DAYS."
)
@UTC_TIMES
@json_option
@click.pass_obj
def expiry(runtime: Runtime, repo: Path, within: int | None, as_json: bool) -> None:
    """List when each offline role expires, the soonest first."""
    from signer.ceremony.root_plan import list_expiries
    from signer.signing import load_trusted
    from signer.work_folder import WorkFolder

    folder = WorkFolder(repo)
    found = [
        each
        for each in list_expiries(load_roles(folder, load_trusted(folder, None)))
        if within is None or each.days_left(runtime.now) < within
    ]
    if as_json:
        print_json({"roles": [_expiry_json(each, runtime) for each in found]})
        return
    print_table(
        "Expiry of the offline roles",
        ("role", "version", "expires", "left"),
        [
            (
                each.role,
                str(each.version),
                show_time(each.expires),
                _days(each.days_left(runtime.now)),
            )
            for each in found
        ],
        empty=f"No role expires within {_days(within or 0)}.",
    )


def load_roles(folder: WorkFolder, trusted: Trusted) -> dict[str, Root | Targets]:
    """Return the current version of every offline role of a working folder."""
    from signer.signing import load_delegated

    roles: dict[str, Root | Targets] = {"root": trusted.root, "targets": trusted.targets}
    delegations = trusted.targets.delegations
    for role in delegations.roles or () if delegations else ():
        if not is_online(role):
            roles[role] = load_delegated(folder, trusted, role)[1]
    return roles


def _expiry_json(expiry: Expiry, runtime: Runtime) -> dict[str, str | int]:
    return {
        "days_left": expiry.days_left(runtime.now),
        "expires": f"{expiry.expires:%Y-%m-%dT%H:%M:%SZ}",
        "role": expiry.role,
        "version": expiry.version,
    }


def _days(days: int) -> str:
    if days < 0:
        return "expired"
    return f"{days} day{'' if days == 1 else 's'}"
