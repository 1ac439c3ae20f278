"""`ceremony holders`, `model`, `online`, `renew` and `expiry`: the keys and expiry of roles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hening.times import UTC_TIMES, show_time
from server.core.names import is_online
from server.place_options import place_option
from server.tables import print_table
from signer.ceremony.policy import MAX_EXPIRY_DAYS, MODEL_THRESHOLD
from signer.cli.change import Destination, change_options, finish_change
from signer.cli.output import json_option, print_json
from signer.cli.parameters import (
    CODENAME,
    EXISTING_FILE,
    FOLDER,
    KEY_NAME,
    ROLE_KEY,
    NumberAssignment,
    collected,
    read_limited,
)
from signer.cli.runtime import Runtime
from signer.errors import CeremonyError

if TYPE_CHECKING:
    from tuf.api.metadata import Root, Targets

    from signer.ceremony.changes import HolderChange
    from signer.ceremony.root_plan import Expiry
    from signer.keys.public_key import PublicKey
    from signer.signing import Trusted
    from signer.work_folder import WorkFolder

MAX_KEYS = 999  # as many as there are numbers in key names
expires_option = click.option(
    "--expires",
    "expiry_days",
    type=NumberAssignment(MAX_EXPIRY_DAYS),
    multiple=True,
    callback=collected,
    metavar="ROLE=DAYS",
    help="Days until a role expires. Default: root 365, others 90.",
)


def thresholds_option(text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return the option `--threshold`, with its help."""
    return click.option(
        "--threshold",
        "thresholds",
        type=NumberAssignment(MAX_KEYS),
        multiple=True,
        callback=collected,
        metavar="ROLE=N",
        help=text,
    )


@click.command(
    epilog="Example: hening-signer ceremony holders --repo repo --keys keys --add root-4"
    " --remove root-2 --propose rotation.json"
)
@click.option(
    "--add", type=KEY_NAME, multiple=True, help="Enrol a key of the key folder; may be repeated."
)
@click.option(
    "--remove",
    type=ROLE_KEY,
    multiple=True,
    metavar="NAME",
    help="Remove a key: its name in the key folder, or ROLE:KEYID. May be repeated.",
)
@thresholds_option("Signatures that a role needs from then on.")
@expires_option
@change_options
def holders(
    add: tuple[str, ...],
    remove: tuple[str, ...],
    thresholds: dict[str, int],
    expiry_days: dict[str, int],
    destination: Destination,
) -> None:
    """Change the keys of roles: enrol keys, remove keys, change how many must sign.

    To rotate a key, add the new one and remove the old one. A role that would lack signatures
    afterwards is signed again in the same proposal.
    """
    from signer.ceremony.changes import plan_holders
    from signer.signing import load_signed_roles, load_trusted

    request = request_holders(destination, add, remove, thresholds, expiry_days)
    trusted = load_trusted(destination.folder, None)
    roles = load_signed_roles(destination.folder, trusted, request.roles)
    planned = plan_holders(request, trusted.root, roles, destination.now)
    finish_change(destination, planned)


@click.command(
    epilog="Example: hening-signer ceremony model cannon --repo repo --keys keys --threshold 2"
    " --propose cannon.json"
)
@click.argument("codename", type=CODENAME)
@click.option(
    "--threshold",
    type=click.IntRange(1, MAX_KEYS),
    default=MODEL_THRESHOLD,
    show_default=True,
    help="Signatures that the model's role needs.",
)
@expires_option
@change_options
def model(
    codename: str, threshold: int, expiry_days: dict[str, int], destination: Destination
) -> None:
    """Add a model, signed by all keys CODENAME-N of the key folder."""
    from signer.ceremony.changes import plan_model
    from signer.signing import load_trusted

    keys = [key for key in destination.load_public_keys() if key.role == codename]
    planned = plan_model(
        codename,
        keys,
        threshold,
        load_trusted(destination.folder, None).targets,
        expiry_days,
        destination.now,
    )
    finish_change(destination, planned)


@click.command(
    epilog="Example: hening-signer ceremony online --repo repo --online public.json --overlap"
    " --propose online.json"
)
@click.option(
    "--online", type=EXISTING_FILE, required=True, help="public.json of `hening-server keys new`."
)
@click.option(
    "--overlap", is_flag=True, help="Keep the current keys valid, too, for a planned rotation."
)
@expires_option
@change_options
def online(
    online: Path, overlap: bool, expiry_days: dict[str, int], destination: Destination
) -> None:
    """Replace the server's keys: those of snapshot, timestamp, latest and the log.

    A planned rotation is two changes: one with --overlap, and a later one without. After a theft,
    make only the change without --overlap.
    """
    from signer.ceremony.changes import plan_online
    from signer.ceremony.plan import MAX_ONLINE_KEYS, decode_online_keys
    from signer.signing import load_trusted

    keys = decode_online_keys(read_limited(online, MAX_ONLINE_KEYS))
    trusted = load_trusted(destination.folder, None)
    planned = plan_online(
        trusted.root,
        trusted.targets,
        keys,
        overlap=overlap,
        expiry_days=expiry_days,
        now=destination.now,
    )
    finish_change(destination, planned)


def request_holders(
    destination: Destination,
    add: Sequence[str],
    remove: Sequence[str],
    thresholds: Mapping[str, int],
    expiry_days: Mapping[str, int],
) -> HolderChange:
    """Return the change that the options ask for; raises CeremonyError for an unknown key.

    Keys are given by their names in the key folder, those to remove also as ROLE:KEYID.
    """
    from signer.ceremony.changes import HolderChange

    keys = {key.name: key for key in destination.load_public_keys()}

    def find(name: str) -> PublicKey:
        if name not in keys:
            raise CeremonyError(
                f"There is no key {name} in the key folder; import its public half."
            )
        return keys[name]

    removed = []
    for text in remove:
        role, _, keyid = text.partition(":")
        removed.append((role, keyid) if keyid else (find(text).role, find(text).keyid))
    return HolderChange(tuple(map(find, add)), tuple(removed), thresholds, expiry_days)


@click.command(
    epilog="Example: hening-signer ceremony renew --repo repo --within 30 --propose renewal.json"
)
@click.argument("roles", metavar="[ROLE]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Renew every offline role.")
@click.option(
    "--within",
    type=click.IntRange(min=0),
    metavar="DAYS",
    help="Renew roles that expire within DAYS.",
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
    finish_change(destination, planned)


@click.command(epilog="Example: hening-signer ceremony expiry --repo repo --within 30")
@place_option("repo", type=FOLDER, help="The working folder.")
@click.option(
    "--within",
    type=click.IntRange(min=0),
    metavar="DAYS",
    help="Only roles that expire within DAYS.",
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
