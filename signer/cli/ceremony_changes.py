"""`ceremony renew`, `holders`, `model`, `online` and `expiry`: what changes in a repository."""

from collections.abc import Mapping
from pathlib import Path

import click
from tuf.api.metadata import Root, Targets

from server.core.names import ONLINE_ROLES
from signer.ceremony.holder_plan import HolderOrder, SignedRole, plan_holders
from signer.ceremony.model_plan import plan_model
from signer.ceremony.online_keys import MAX_ONLINE_KEYS, decode_online_keys
from signer.ceremony.online_plan import plan_online
from signer.ceremony.plan import MAX_EXPIRY_DAYS, MODEL_THRESHOLD
from signer.ceremony.renewal_plan import Expiry, list_expiries, plan_renewal
from signer.cli.change import Ending, change_options, finish_change
from signer.cli.failures import json_option
from signer.cli.output import print_json, print_table
from signer.cli.parameters import (
    CODENAME,
    EXISTING_FILE,
    FOLDER,
    KEY_NAME,
    ROLE_KEY,
    NumberAssignment,
    collect,
)
from signer.cli.surroundings import Surroundings
from signer.errors import CeremonyError
from signer.keys.public_key import PublicKey
from signer.proposal.change import Change
from signer.signing import Trusted, load_delegated, load_trusted
from signer.work_folder import WorkFolder

MAX_KEYS = 999  # as many as key names have numbers

expires_option = click.option(
    "--expires",
    "expiry_days",
    type=NumberAssignment(MAX_EXPIRY_DAYS),
    multiple=True,
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
@json_option
@click.pass_obj
def renew(
    surroundings: Surroundings,
    roles: tuple[str, ...],
    every: bool,
    within: int | None,
    expiry_days: tuple[tuple[str, int], ...],
    ending: Ending,
    as_json: bool,
) -> None:
    """Sign roles again before they expire, with nothing else changed."""
    if sum((bool(roles), every, within is not None)) != 1:
        raise click.UsageError("Name the roles, or give --all, or --within DAYS.")
    days = collect(expiry_days, "--expires")
    current = load_roles(ending.folder, load_trusted(ending.folder, None))
    names = list(roles) or [
        expiry.role
        for expiry in list_expiries(current)
        if every or (within is not None and expiry.days_left(surroundings.now) < within)
    ]
    if not names:
        raise CeremonyError(f"No role expires within {within} days; there is nothing to renew.")
    planned = plan_renewal(names, current, days, surroundings.now)
    finish_change(surroundings, ending, Change(planned), as_json=as_json)


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
    help="Take a key away: its name in the key folder, or ROLE:KEYID. May be repeated.",
)
@click.option(
    "--threshold",
    "thresholds",
    type=NumberAssignment(MAX_KEYS),
    multiple=True,
    metavar="ROLE=N",
    help="Signatures that a role asks for from then on.",
)
@expires_option
@change_options
@json_option
@click.pass_obj
def holders(
    surroundings: Surroundings,
    add: tuple[str, ...],
    remove: tuple[str, ...],
    thresholds: tuple[tuple[str, int], ...],
    expiry_days: tuple[tuple[str, int], ...],
    ending: Ending,
    as_json: bool,
) -> None:
    """Change who signs: enrol keys, take keys away, change how many must sign.

    To rotate a key, add the new one and remove the old one. A role that would lack signatures
    afterwards is signed again in the same proposal.
    """
    keys = {key.name: key for key in ending.load_public_keys()}
    order = HolderOrder(
        tuple(_find_key(name, keys) for name in add),
        tuple(_find_removal(text, keys) for text in remove),
        collect(thresholds, "--threshold"),
        collect(expiry_days, "--expires"),
    )
    trusted = load_trusted(ending.folder, None)
    affected = [role for role in order.roles if role in trusted.versions]
    loaded = {
        role: SignedRole(*load_delegated(ending.folder, trusted, role))
        for role in affected
        if role not in {"root", "targets"}
    }
    data = ending.folder.load("targets", trusted.targets.version)
    loaded["targets"] = SignedRole(data, trusted.targets)
    planned = plan_holders(order, trusted.root, loaded, surroundings.now)
    finish_change(surroundings, ending, Change(planned), as_json=as_json)


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
    help="Signatures that the model's role asks for.",
)
@expires_option
@change_options
@json_option
@click.pass_obj
def model(
    surroundings: Surroundings,
    codename: str,
    threshold: int,
    expiry_days: tuple[tuple[str, int], ...],
    ending: Ending,
    as_json: bool,
) -> None:
    """Add a model, signed by all keys CODENAME-N of the key folder."""
    keys = [key for key in ending.load_public_keys() if key.role == codename]
    planned = plan_model(
        codename,
        keys,
        threshold,
        load_trusted(ending.folder, None).targets,
        collect(expiry_days, "--expires"),
        surroundings.now,
    )
    finish_change(surroundings, ending, Change(planned), as_json=as_json)


@click.command(
    epilog="Example: hening-signer ceremony online --repo repo --online public.json --overlap"
    " --propose online.json"
)
@click.option(
    "--online", type=EXISTING_FILE, required=True, help="public.json of `hening-server keys new`."
)
@click.option(
    "--overlap", is_flag=True, help="Keep the present keys beside the new ones: a planned rotation."
)
@expires_option
@change_options
@json_option
@click.pass_obj
def online(
    surroundings: Surroundings,
    online: Path,
    overlap: bool,
    expiry_days: tuple[tuple[str, int], ...],
    ending: Ending,
    as_json: bool,
) -> None:
    """Name other keys of the server: snapshot, timestamp, latest and the log's.

    A planned rotation is two changes: one with --overlap, and a later one without. After a theft,
    the one without --overlap alone.
    """
    with online.open("rb") as file:
        keys = decode_online_keys(file.read(MAX_ONLINE_KEYS + 1))
    trusted = load_trusted(ending.folder, None)
    planned = plan_online(
        trusted.root,
        trusted.targets,
        keys,
        overlap=overlap,
        expiry_days=collect(expiry_days, "--expires"),
        now=surroundings.now,
    )
    finish_change(surroundings, ending, Change(planned), as_json=as_json)


@click.command(epilog="Example: hening-signer ceremony expiry --repo repo --within 30")
@click.option("--repo", type=FOLDER, required=True, help="The working folder.")
@click.option(
    "--within", type=click.IntRange(min=0), metavar="DAYS", help="Only what expires in DAYS."
)
@json_option
@click.pass_obj
def expiry(surroundings: Surroundings, repo: Path, within: int | None, as_json: bool) -> None:
    """List when each offline role expires, the soonest first."""
    folder = WorkFolder(repo)
    found = [
        each
        for each in list_expiries(load_roles(folder, load_trusted(folder, None)))
        if within is None or each.days_left(surroundings.now) < within
    ]
    if as_json:
        print_json({"roles": [_expiry_json(each, surroundings) for each in found]})
        return
    print_table(
        "Expiry of the offline roles",
        ("role", "version", "expires", "left"),
        [
            (
                each.role,
                str(each.version),
                f"{each.expires:%Y-%m-%d %H:%M} UTC",
                _days(each.days_left(surroundings.now)),
            )
            for each in found
        ],
    )


def load_roles(folder: WorkFolder, trusted: Trusted) -> dict[str, Root | Targets]:
    """Return the current version of every offline role of a working folder."""
    roles: dict[str, Root | Targets] = {"root": trusted.root, "targets": trusted.targets}
    delegations = trusted.targets.delegations
    for role in delegations.roles or () if delegations else ():
        if role not in ONLINE_ROLES:
            roles[role] = load_delegated(folder, trusted, role)[1]
    return roles


def _find_key(name: str, keys: Mapping[str, PublicKey]) -> PublicKey:
    if name not in keys:
        raise CeremonyError(f"There is no key {name} in the key folder; import its public half.")
    return keys[name]


def _find_removal(text: str, keys: Mapping[str, PublicKey]) -> tuple[str, str]:
    role, colon, keyid = text.partition(":")
    if colon:
        return role, keyid
    key = _find_key(text, keys)
    return key.role, key.keyid


def _expiry_json(expiry: Expiry, surroundings: Surroundings) -> dict[str, str | int]:
    return {
        "days_left": expiry.days_left(surroundings.now),
        "expires": f"{expiry.expires:%Y-%m-%dT%H:%M:%SZ}",
        "role": expiry.role,
        "version": expiry.version,
    }


def _days(days: int) -> str:
    if days < 0:
        return "expired"
    return f"{days} day{'' if days == 1 else 's'}"
