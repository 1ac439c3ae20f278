"""`release plan` and `release sign`: from packages to a signed release."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from server.core.errors import HeningError
from server.core.names import Channel
from server.place_options import is_given, place_option
from server.tables import print_table
from signer.ceremony.policy import expiry
from signer.cli.change import Destination, change_options, finish_change
from signer.cli.output import REFUSED, json_option, print_json, progress_bar, report
from signer.cli.parameters import FOLDER
from signer.cli.passphrases import Passphrases
from signer.cli.release_options import Inspected, ReleaseOptions, inspect_packages, release_options
from signer.cli.runtime import Runtime, open_keystore
from signer.errors import ReleaseRefusal
from signer.release.package_checks import Verdict

if TYPE_CHECKING:
    from tuf.api.metadata import Targets

    from signer.bundle_writer import Blob
    from signer.release.checks import UpgradePath
    from signer.release.questions import JudgedRelease
    from signer.release.sign import SignedRelease
    from signer.work_folder import WorkFolder


@click.command(
    epilog="Example: hening-signer release plan --repo repo --region id --channel stable"
    " --changelog en='Fixes the alarm clock.' --certificate releasekey.x509.pem"
    " --source armani-id-1-full.zip armani-id-2-full.zip armani-id-2-incremental.zip"
)
@place_option("repo", type=FOLDER, help="The working folder.")
@release_options
@json_option
@click.pass_obj
def plan(
    runtime: Runtime,
    options: ReleaseOptions,
    repo: Path,
    expiry_days: int,
    *,
    as_json: bool,
) -> None:
    """Print the release that `release sign` would sign, and every reason to refuse it.

    Changes nothing and needs no key. Exit status 1 if there is a reason to refuse it.
    """
    from signer.release.plan import judge_release
    from signer.signing import load_delegated, load_trusted
    from signer.work_folder import WorkFolder

    folder = WorkFolder(repo)
    trusted = load_trusted(folder, None)
    inspected = inspect_packages(options, repo)
    request = inspected.request
    _, current = load_delegated(folder, trusted, request.channel.codename)
    expires = expiry(runtime.now, expiry_days)
    judged = judge_release(
        request, inspected.packages, current, runtime.now, expires, inspected.sources
    )
    unsound = [
        Verdict(name, "is a sound package", str(error)) for name, error in inspected.unsound.items()
    ]
    judged = replace(judged, verdicts=(*unsound, *judged.verdicts))
    paths, broken = _list_paths(inspected, judged)
    refusals = [*judged.refusals]
    if as_json:
        value = _plan_json(inspected, judged, paths)
        print_json(value | ({"error": refusals[0]} if refusals else {}))
    else:
        _print_plan(inspected, judged, paths, broken)
    if refusals:
        if not as_json:
            count = f"{len(refusals)} reasons" if len(refusals) > 1 else "one reason"
            click.echo(f"Cannot be signed, for {count}.")
        report(refusals[0])
        click.get_current_context().exit(REFUSED)


@click.command(
    epilog="Example: hening-signer release sign --repo repo --keys keys --region id"
    " --channel stable --changelog en='Fixes the alarm clock.' --certificate releasekey.x509.pem"
    " --out incoming armani-id-2-full.zip armani-id-2-incremental.zip"
)
@release_options
@change_options
def sign(options: ReleaseOptions, destination: Destination, expiry_days: int) -> None:
    """Sign the packages of one build, full and incremental, and submit them.

    With --propose nothing is signed yet: the holders of the model's keys sign the proposal. After
    an interruption, run the same command again.
    """
    from signer.release.sign import sign_release

    inspected = inspect_packages(options, destination.repo)
    for error in inspected.unsound.values():
        raise error
    if destination.propose is not None:
        finish_change(destination, *_plan_change(inspected, destination, expiry_days))
        return
    assert destination.out is not None
    assert destination.keys is not None
    with progress_bar("Copying packages") as progress:
        signed = sign_release(
            destination.folder,
            open_keystore(destination.keys),
            Passphrases(destination.passphrase_fd, destination.runtime.environment),
            inspected.request,
            inspected.packages,
            destination.now,
            destination.out,
            sources=inspected.sources,
            expiry_days=expiry_days,
            progress=progress,
        )
    verified = options.certificate is not None
    if destination.as_json:
        print_json(
            {
                "bundle": signed.bundle,
                "certificate_verified": verified,
                "counter": signed.counter,
                "expires": f"{signed.expires:%Y-%m-%dT%H:%M:%SZ}",
                "paths": list(signed.paths),
                "repeated": signed.repeated,
                "role": signed.role,
                "version": signed.version,
            }
        )
        return
    if not verified:
        click.echo("The packages' own signatures were not verified.")
    verb = "Submitted again" if signed.repeated else "Signed"
    for path in signed.paths:
        click.echo(f"{verb} {path}, counter {signed.counter}.")
    click.echo(
        f"{signed.role} {signed.version} expires on {signed.expires:%Y-%m-%d};"
        f" bundle {signed.bundle} is in {destination.out}."
    )
    _say_next(inspected.request.channel, signed, destination)


def _say_next(channel: Channel, signed: SignedRelease, destination: Destination) -> None:
    """Print the next command: an offer if `out` is a server's, otherwise `release submit`."""
    out = destination.out
    assert out is not None
    if _is_of_server(out):
        state = f" --state {shlex.quote(str(out.parent))}" if is_given("out") else ""
        share, audience = (
            ("100%", "all phones") if signed.counter == 1 else ("1%", "1% of the phones")
        )
        if _is_addition(channel, signed, destination.folder):
            click.echo(
                f"An offer keeps the packages that it started with. If {channel} offers counter"
                f" {signed.counter} already, there is nothing to do: its phones use those packages,"
                " and this one is for phones that get to a later build through this build."
            )
            click.echo(f"Otherwise, offer it to {audience}:")
        else:
            click.echo(f"Next, offer it to {audience}:")
        click.echo(f"  hening-server rollout offer {channel}{state} --share {share}")
    else:
        click.echo("Next, submit it to the server:")
        click.echo("  hening-signer release submit --to https://HOST:PORT --token-file FILE \\")
        click.echo(f"      {shlex.quote(str(out / signed.bundle))}")


def _is_addition(channel: Channel, signed: SignedRelease, folder: WorkFolder) -> bool:
    """Return whether packages of the same build were signed for `channel` before."""
    from signer.release.sign import list_releases

    (role,) = list_releases(folder, channel.codename)
    return any(
        release.counter == signed.counter
        and path.startswith(f"{channel}/")
        and path not in signed.paths
        for path, release in role.releases.items()
    )


def _is_of_server(out: Path) -> bool:
    """Return whether `out` is in a server's state folder, from which the server reads bundles."""
    try:
        return (out.parent / "trusted" / "root.json").exists()
    except PermissionError:  # only the server's user may read the state
        return True


def _plan_change(
    inspected: Inspected, destination: Destination, expiry_days: int
) -> tuple[dict[str, Targets], list[Blob]]:
    """Return the next version of the model's role, and the packages that it adds."""
    from server.core.role_edit import is_unchanged
    from signer.bundle_writer import Blob
    from signer.release.plan import plan_release

    role = inspected.request.channel.codename
    current = destination.load_role(role)
    expires = expiry(destination.now, expiry_days)
    planned = plan_release(
        inspected.request,
        inspected.packages,
        current,
        destination.now,
        expires,
        inspected.sources,
    )
    if is_unchanged(current, planned):
        raise ReleaseRefusal(
            f"Everything is listed by {role} {current.version} already; there is nothing to sign."
        )
    packages = [Blob(facts.path, facts.length, facts.sha256) for facts in inspected.packages]
    packages += [each.csig for each in inspected.request.extras.values() if each.csig is not None]
    return {role: planned}, packages


def _list_paths(inspected: Inspected, judged: JudgedRelease) -> tuple[list[UpgradePath], str]:
    """Return the upgrade path of every listed build, or a sentence on why there is none."""
    from signer.release.checks import list_upgrade_paths

    request = inspected.request
    try:
        return list_upgrade_paths(request.channel, judged.releases, request.factory_builds), ""
    except HeningError as error:
        return [], str(error)


_LAST = ("yes", "not asked", "no")  # answers that need attention are at the end of a table


def _print_plan(
    inspected: Inspected, judged: JudgedRelease, paths: list[UpgradePath], broken: str
) -> None:
    channel, policy = inspected.request.channel, inspected.policy
    files = [each.path.name for each in (*inspected.packages, *inspected.sources)]
    click.echo(f"Counter {judged.counter} in {channel}")
    for subject in dict.fromkeys([*inspected.unsound, *files, str(channel)]):
        verdicts = [each for each in judged.verdicts if each.subject == subject]
        verdicts.sort(key=lambda each: _LAST.index(each.answer))
        rows = [
            # Two columns, because a question may have a fingerprint as wide as a terminal.
            (each.answer, ": ".join(filter(None, (each.question, each.refusal or each.remark))))
            for each in verdicts
        ]
        print_table(f"Verdicts on {subject}" if rows else "", ("answer", "it"), rows)
    print_table(
        "What a phone installs, by the build that it runs",
        ("counter", "build", "packages"),
        [
            (
                str(path.counter or "factory"),
                path.build,
                ", then ".join(each.rpartition("/")[2] for each in path.packages),
            )
            for path in paths
        ]
        or [("", "", broken or "none: it is the first build of the channel")],
    )
    locales = " ".join(policy.required_locales) or "none"
    factory = " ".join(sorted(policy.factory_builds_of(channel.codename))) or "none"
    proof = "required" if policy.require_proof else "not required"
    click.echo(
        f"By policy.toml: required locales {locales}; factory builds {factory}; proof {proof}."
    )


def _plan_json(
    inspected: Inspected, judged: JudgedRelease, paths: list[UpgradePath]
) -> dict[str, Any]:
    policy = inspected.policy
    return {
        "channel": str(inspected.request.channel),
        "counter": judged.counter,
        "paths": [f"{inspected.request.channel}/{each.path.name}" for each in inspected.packages],
        "policy": {
            "factory_builds": sorted(policy.factory_builds_of(inspected.request.channel.codename)),
            "required_locales": list(policy.required_locales),
        },
        "refusals": list(judged.refusals),
        "verdicts": [
            {
                "passed": each.passed,
                "question": each.question,
                "refusal": each.refusal,
                "remark": each.remark,
                "subject": each.subject,
            }
            for each in judged.verdicts
        ],
        "ways": [
            {"build": path.build, "counter": path.counter, "packages": list(path.packages)}
            for path in paths
        ],
    }
