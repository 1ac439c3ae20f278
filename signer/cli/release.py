"""`release`: sign packages as releases, and list what is signed."""

from pathlib import Path

import click

from server.core.names import Channel
from signer.ceremony_plan import MAX_EXPIRY_DAYS, ROLE_EXPIRY_DAYS
from signer.cli.failures import json_option
from signer.cli.output import print_json, print_table, progress_bar
from signer.cli.parameters import CODENAME, EXISTING_FILE, FOLDER, SEGMENT, ChangelogText, collect
from signer.cli.passphrases import Passphrases, passphrase_option
from signer.cli.surroundings import Surroundings
from signer.keystore import Keystore
from signer.ota.inspect import inspect_ota
from signer.package_checks import choose_codename
from signer.release import list_releases, sign_release
from signer.release_order import ReleaseOrder
from signer.work_folder import WorkFolder


@click.group(
    "release",
    epilog="Example: hening-signer release sign --repo repo --keys keys --region id"
    " --channel stable --changelog en=Fixes --certificate releasekey.x509.pem --out incoming"
    " armani-id-2-full.zip",
)
def release_commands() -> None:
    """Sign packages as releases, and list what is signed."""


@release_commands.command(
    epilog="Example: hening-signer release sign --repo repo --keys keys --region id"
    " --channel stable --changelog en='Fixes the alarm clock.' --certificate releasekey.x509.pem"
    " --out incoming armani-id-2-full.zip armani-id-2-incremental.zip"
)
@click.argument("packages", metavar="ZIP...", type=EXISTING_FILE, nargs=-1, required=True)
@click.option("--repo", type=FOLDER, required=True, help="The working folder.")
@click.option("--keys", "folder", type=FOLDER, required=True, help="The folder of key files.")
@click.option(
    "--codename", type=CODENAME, help="The model. Default: the device that the package names."
)
@click.option(
    "--region", type=SEGMENT, required=True, help="Where the release is offered, for example id."
)
@click.option(
    "--channel", type=SEGMENT, required=True, help="To whom it is offered, for example stable."
)
@click.option(
    "--changelog",
    type=ChangelogText(),
    multiple=True,
    metavar="LOCALE=TEXT",
    help="What is new, for the owner. May be repeated.",
)
@click.option(
    "--counter",
    type=click.IntRange(min=1),
    help="Default: the counter of this build, or the highest and one.",
)
@click.option(
    "--min-counter",
    type=click.IntRange(min=0),
    help="The lowest counter from which the packages may be installed. Default: any.",
)
@click.option(
    "--certificate",
    type=EXISTING_FILE,
    metavar="PEM",
    help="Verify the packages' own signatures with it.",
)
@click.option(
    "--unverified", is_flag=True, help="Do not verify the packages' own signatures. Not advised."
)
@click.option(
    "--expires",
    "expiry_days",
    type=click.IntRange(1, MAX_EXPIRY_DAYS),
    default=ROLE_EXPIRY_DAYS,
    show_default=True,
    metavar="DAYS",
    help="Days until the model's role expires.",
)
@click.option("--out", type=FOLDER, required=True, help="The server's `incoming` folder.")
@passphrase_option
@json_option
@click.pass_obj
def sign(
    surroundings: Surroundings,
    packages: tuple[Path, ...],
    repo: Path,
    folder: Path,
    codename: str | None,
    region: str,
    channel: str,
    changelog: tuple[tuple[str, str], ...],
    counter: int | None,
    min_counter: int | None,
    certificate: Path | None,
    unverified: bool,
    expiry_days: int,
    out: Path,
    passphrase_fd: int | None,
    as_json: bool,
) -> None:
    """Sign the packages of one build, full and incremental, and submit them.

    An interrupted run is completed by the same command.
    """
    if unverified == (certificate is not None):
        raise click.UsageError(
            "Give --certificate PEM to verify the packages' own signatures, or --unverified to go"
            " without."
        )
    texts = collect(changelog, "--changelog")
    pem = None if certificate is None else certificate.read_bytes()
    inspected = []
    for package in packages:
        with progress_bar(f"Reading {package.name}") as progress:
            inspected.append(
                inspect_ota(package, certificate=pem, codename=codename, progress=progress)
            )
    model = codename or choose_codename(inspected[0])
    order = ReleaseOrder(Channel(model, region, channel), counter, min_counter, texts)
    with progress_bar("Copying packages") as progress:
        signed = sign_release(
            WorkFolder(repo),
            Keystore(folder),
            Passphrases(passphrase_fd, surroundings.environment),
            order,
            inspected,
            surroundings.now,
            out,
            expiry_days=expiry_days,
            progress=progress,
        )
    if as_json:
        print_json(
            {
                "bundle": signed.bundle,
                "certificate_verified": pem is not None,
                "counter": signed.counter,
                "expires": f"{signed.expires:%Y-%m-%dT%H:%M:%SZ}",
                "paths": list(signed.paths),
                "repeated": signed.repeated,
                "role": signed.role,
                "version": signed.version,
            }
        )
        return
    if pem is None:
        click.echo("The packages' own signatures were not verified.")
    verb = "Submitted again" if signed.repeated else "Signed"
    for path in signed.paths:
        click.echo(f"{verb} {path}, counter {signed.counter}.")
    click.echo(
        f"{signed.role} {signed.version} expires on {signed.expires:%Y-%m-%d};"
        f" bundle {signed.bundle} is in {out}."
    )


@release_commands.command(
    "list", epilog="Example: hening-signer release list --repo repo --codename armani"
)
@click.option("--repo", type=FOLDER, required=True, help="The working folder.")
@click.option("--codename", type=CODENAME, help="One model only.")
@json_option
def list_command(repo: Path, codename: str | None, as_json: bool) -> None:
    """List the releases that the working folder's current versions hold."""
    listed = list_releases(WorkFolder(repo), codename)
    if as_json:
        models = [
            {
                "codename": role.role,
                "expires": f"{role.expires:%Y-%m-%dT%H:%M:%SZ}",
                "releases": [
                    {
                        "counter": release.counter,
                        "fingerprint": release.fingerprint,
                        "min_counter": release.min_counter,
                        "path": path,
                        "type": release.type,
                        "withdrawn": release.withdrawn,
                    }
                    for path, release in role.releases.items()
                ],
                "version": role.version,
            }
            for role in listed
        ]
        print_json({"models": models})
        return
    for role in listed:
        print_table(
            f"{role.role} {role.version}, expires {role.expires:%Y-%m-%d}",
            ("path", "counter", "type", "build", "withdrawn"),
            [
                (
                    path,
                    str(release.counter),
                    release.type,
                    release.fingerprint,
                    "yes" if release.withdrawn else "no",
                )
                for path, release in role.releases.items()
            ],
        )
