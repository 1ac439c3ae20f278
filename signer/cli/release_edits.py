"""`release withdraw`, `promote`, `prune` and `retire`: edits that upload nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from server.core.names import decode_channel
from signer.ceremony.policy import expiry
from signer.cli.change import Destination, change_options, finish_change
from signer.cli.output import print_json
from signer.cli.parameters import CODENAME, CheckedText, complete_channel
from signer.cli.release_options import changelog_option, expires_option, factory_option
from signer.errors import ReleaseRefusal

if TYPE_CHECKING:
    from tuf.api.metadata import Targets

CHANNEL = CheckedText("CODENAME/REGION/CHANNEL", decode_channel)


@click.command(
    epilog="Example: hening-signer release withdraw --repo repo --keys keys --out incoming"
    " --counter 2 armani/id/stable"
)
@click.argument(
    "places", metavar="PLACE...", nargs=-1, required=True, shell_complete=complete_channel
)
@click.option(
    "--counter",
    type=click.IntRange(min=1),
    help="The build, if PLACE is CODENAME or CODENAME/REGION/CHANNEL.",
)
@click.option(
    "--drain",
    is_flag=True,
    help="Keep serving the bytes for a while, so that downloads in progress can end.",
)
@click.option(
    "--drain-days",
    type=click.IntRange(0, 365),
    help="How long, with --drain. Default: what policy.toml says, else 7.",
)
@expires_option
@change_options
def withdraw(
    places: tuple[str, ...],
    counter: int | None,
    drain: bool,
    drain_days: int | None,
    expiry_days: int,
    destination: Destination,
) -> None:
    """Withdraw releases, permanently.

    PLACE is the path of one package, or CODENAME/REGION/CHANNEL or CODENAME with --counter: a build
    in one channel, or in all. The server removes a withdrawn incremental from the offer and halts
    the channels that offer a withdrawn full package.
    """
    from server.core.release import decode_releases
    from server.core.role_edit import Withdrawal
    from signer.release.checks import broken_upgrade_paths
    from signer.release.edits import find_undrained, plan_withdrawal
    from signer.release.policy import load_policy

    if drain_days is not None and not drain:
        raise click.UsageError("--drain-days says how long to drain; give --drain, too.")
    until = None
    if drain:
        days = load_policy(destination.repo).drain_days if drain_days is None else drain_days
        until = int((destination.now + timedelta(days=days)).timestamp())
    request = Withdrawal(places, counter, until)
    current = destination.load_role(request.codename)
    planned = plan_withdrawal(request, current, expiry(destination.now, expiry_days))
    was_broken = broken_upgrade_paths(decode_releases(current))
    broken = [
        each for each in broken_upgrade_paths(decode_releases(planned)) if each not in was_broken
    ]
    remarks = [f"From then on {sentence}" for sentence in broken]
    remarks += find_undrained(request, current, planned)
    _finish(destination, request.codename, current, planned, remarks)


@click.command(
    epilog="Example: hening-signer release promote --repo repo --propose promotion.json"
    " --counter 2 armani/id/beta armani/id/stable"
)
@click.argument("source", metavar="FROM", type=CHANNEL, shell_complete=complete_channel)
@click.argument("target", metavar="TO", type=CHANNEL, shell_complete=complete_channel)
@click.option("--counter", type=click.IntRange(min=1), required=True, help="The build.")
@click.option(
    "--min-counter",
    type=click.IntRange(min=0),
    help="The lowest counter from which it may be installed in TO. Default: as in FROM.",
)
@changelog_option
@factory_option
@expires_option
@change_options
def promote(
    source: str,
    target: str,
    counter: int,
    min_counter: int | None,
    changelog: dict[str, str],
    factory_builds: tuple[str, ...],
    expiry_days: int,
    destination: Destination,
) -> None:
    """List a build's packages also in another channel of its region, without an upload.

    FROM and TO are CODENAME/REGION/CHANNEL. An incremental is listed, too, if its source build is
    listed in TO or is a factory build.
    """
    from signer.release.edits import PromotionRequest, plan_promotion
    from signer.release.policy import load_policy

    policy, channel = load_policy(destination.repo), decode_channel(target)
    request = PromotionRequest(
        decode_channel(source),
        channel,
        counter,
        min_counter,
        changelog,
        frozenset(factory_builds) | policy.factory_builds_of(channel.codename),
        tuple(policy.required_locales),
    )
    current = destination.load_role(channel.codename)
    promotion = plan_promotion(request, current, expiry(destination.now, expiry_days))
    planned, remarks = promotion.planned, promotion.left_out
    _finish(destination, channel.codename, current, planned, remarks)


@click.command(
    epilog="Example: hening-signer release prune --repo repo --keys keys --out incoming"
    " --keep 10 armani"
)
@click.argument("codename", type=CODENAME)
@click.option(
    "--keep",
    type=click.IntRange(1, 1000),
    help="Builds to keep in each channel. Default: what policy.toml says, else 20.",
)
@expires_option
@change_options
def prune(codename: str, keep: int | None, expiry_days: int, destination: Destination) -> None:
    """Remove the oldest builds from a model's role.

    Stepping stones, builds that unwithdrawn incrementals start from, and builds that still drain
    are kept, and so is every newer build. If a channel offers an old build, roll out a newer one
    first.
    """
    from signer.release.edits import plan_prune
    from signer.release.policy import load_policy

    keep_builds = load_policy(destination.repo).keep_builds if keep is None else keep
    current = destination.load_role(codename)
    now = destination.now
    pruning = plan_prune(codename, keep_builds, current, now, expiry(now, expiry_days))
    remarks = [f"Packages removed: {len(pruning.removed)}. Floor: {pruning.floor}."]
    remarks.append(pruning.reason)
    if pruning.blocking:
        remarks.append(
            f"The floor could rise to {pruning.higher_floor} if these incrementals of older builds"
            f" were withdrawn first: {', '.join(pruning.blocking)}."
        )
    _finish(destination, codename, current, pruning.planned, remarks)


@click.command(
    epilog="Example: hening-signer release retire --repo repo --propose retirement.json armani"
)
@click.argument("codename", type=CODENAME)
@expires_option
@change_options
def retire(codename: str, expiry_days: int, destination: Destination) -> None:
    """Remove every build of a model, so that its phones are offered nothing.

    The empty role stays and is renewed like others. Signing a newer build brings the model back.
    """
    from signer.release.edits import draining, plan_retirement

    current = destination.load_role(codename)
    planned = plan_retirement(codename, current, expiry(destination.now, expiry_days))
    remarks = [
        f"{path} was still served for downloads in progress; it is now removed immediately."
        for path in draining(current, destination.now)
    ]
    _finish(destination, codename, current, planned, remarks)


def _finish(
    destination: Destination,
    codename: str,
    current: Targets,
    planned: Targets,
    remarks: Sequence[str],
) -> None:
    """Propose or sign an edit; one that is signed already is submitted again, as it may be lost."""
    from server.core.role_edit import is_unchanged
    from signer.release.sign import submit_again

    if not is_unchanged(current, planned) or current.is_expired(destination.now):
        finish_change(destination, {codename: planned}, remarks=remarks)
        return
    if not destination.as_json:
        for remark in remarks:
            click.echo(remark)
    sentence = f"{codename} {current.version} has this change already"
    if destination.out is None:
        raise ReleaseRefusal(f"{sentence}; there is nothing to propose.")
    bundle = submit_again(destination.folder, codename, destination.out)
    if destination.as_json:
        print_json(
            {
                "bundle": bundle,
                "remarks": list(remarks),
                "repeated": True,
                "version": current.version,
            }
        )
    else:
        click.echo(f"{sentence}; submitted again as bundle {bundle} in {destination.out}.")
