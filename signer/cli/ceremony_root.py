"""`ceremony lifetimes` and `ceremony reset`: changes that only root can make."""

from datetime import UTC, datetime
from pathlib import Path

import click

from server.core.names import is_codename
from signer.ceremony.policy import MAX_EXPIRY_DAYS
from signer.cli.ceremony_changes import expires_option, load_roles, request_holders
from signer.cli.change import Destination, change_options, finish_change
from signer.cli.content_options import PACK
from signer.cli.content_release import new_files
from signer.cli.parameters import KEY_NAME, ROLE_KEY, NumberAssignment, collected
from signer.errors import CeremonyError, refusing

_MOMENTS = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d")


@click.command(
    epilog="Example: hening-signer ceremony lifetimes codenames=180 targets=180 --repo repo"
    " --propose lifetimes.json"
)
@click.argument(
    "lifetimes",
    metavar="KIND=DAYS...",
    nargs=-1,
    required=True,
    type=NumberAssignment(MAX_EXPIRY_DAYS),
    callback=collected,
)
@change_options
def lifetimes(lifetimes: dict[str, int], destination: Destination) -> None:
    """Limit the days for which a new version of a role may be valid.

    KIND is codenames, content, tables or targets. Signer, server and phones refuse a version that
    exceeds its limit.
    """
    from tuf.api.metadata import Targets

    from signer.ceremony.root_plan import plan_lifetimes
    from signer.signing import load_trusted

    trusted = load_trusted(destination.folder, None)
    roles = {
        name: role
        for name, role in load_roles(destination.folder, trusted).items()
        if isinstance(role, Targets)
    }
    planned = plan_lifetimes(trusted.root, roles, lifetimes, destination.now)
    finish_change(destination, planned)


@click.command(
    epilog="Example: hening-signer ceremony reset armani --counter 12 --add armani-2"
    " --remove armani-1 --repo repo --keys keys --propose reset.json"
)
@click.argument("role")
@click.option(
    "--counter", type=click.IntRange(0), help="For a model: the highest counter that stays valid."
)
@click.option(
    "--time",
    "latest",
    type=click.DateTime(_MOMENTS),
    help="For a model: the latest time that stays valid, in UTC. Default: now, or the date of the"
    " newest build that phones may have installed.",
)
@click.option(
    "--keep",
    type=click.IntRange(1),
    metavar="VERSION",
    help="For tables or content: list the packs of that version again.",
)
@click.option(
    "--pack",
    "packs",
    type=PACK,
    multiple=True,
    help="With --keep: the folder of a pack to list again; may be repeated.",
)
@click.option("--add", type=KEY_NAME, multiple=True, help="Enrol a key; may be repeated.")
@click.option(
    "--remove",
    type=ROLE_KEY,
    multiple=True,
    metavar="NAME",
    help="Remove a key; may be repeated.",
)
@expires_option
@change_options
def reset(
    role: str,
    counter: int | None,
    latest: datetime | None,
    keep: int | None,
    packs: tuple[Path, ...],
    add: tuple[str, ...],
    remove: tuple[str, ...],
    expiry_days: dict[str, int],
    destination: Destination,
) -> None:
    """Undo counters, times and versions that a thief of a role's keys, or a mistake, set too high.

    ROLE is a model, tables or content. Builds above --counter are forgotten, and phones whose
    clock or counter was set too high continue as before. Builds made before --time must be built
    again before they can be released.
    """
    from tuf.api.metadata import Targets

    from server.core.metadata import decode_targets
    from signer.ceremony.root_plan import ResetRequest, latest_time, plan_reset
    from signer.content.pack_folder import list_files
    from signer.signing import load_signed_roles, load_trusted

    holders = request_holders(destination, add, remove, {}, expiry_days)
    trusted = load_trusted(destination.folder, None)
    if role in {"root", "targets"} or role not in trusted.versions:
        raise CeremonyError(f"{role[:64]} has no resets; name a model, tables or content.")
    restored = None
    if keep is not None:
        with refusing(CeremonyError):
            restored = decode_targets(role, destination.folder.load(role, keep)).signed
    roles = load_signed_roles(destination.folder, trusted, [role])
    current = roles[role].signed
    time = None if latest is None else int(latest.replace(tzinfo=UTC).timestamp())
    if time is None and is_codename(role):
        time = latest_time(current, destination.now)
    request = ResetRequest(role, counter, time, restored, holders)
    planned = plan_reset(request, trusted.root, roles, destination.now)
    files = [path for folder in packs for path in list_files(folder)]
    follower = planned[role]
    assert isinstance(follower, Targets)
    packages = tuple(new_files(current, follower, files))
    finish_change(destination, planned, packages)
