"""The options that `release plan` and `release sign` share, and the inspection of packages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hening.version import find_version
from server.core.names import Channel
from signer.ceremony.policy import MAX_EXPIRY_DAYS, ROLE_EXPIRY_DAYS
from signer.cli.output import progress_bar
from signer.cli.parameters import (
    CODENAME,
    EXISTING_FILE,
    SEGMENT,
    ChangelogText,
    LabelAssignment,
    collected,
    complete_part,
)
from signer.ota.errors import OtaError
from signer.release.package_checks import choose_codename
from signer.release.proof import Proofs, load_proof

if TYPE_CHECKING:
    from signer.ota.signatures import Certificate
    from signer.ota.summary import OtaFacts
    from signer.release.policy import TeamPolicy
    from signer.release.request import Extras, ReleaseRequest

expires_option = click.option(
    "--expires",
    "expiry_days",
    type=click.IntRange(1, MAX_EXPIRY_DAYS),
    default=ROLE_EXPIRY_DAYS,
    show_default=True,
    metavar="DAYS",
    help="Days until the model's role expires.",
)
changelog_option = click.option(
    "--changelog",
    type=ChangelogText(),
    multiple=True,
    callback=collected,
    metavar="LOCALE=TEXT",
    help="The changelog for owners, in Markdown. May be repeated.",
)
factory_option = click.option(
    "--factory-build",
    "factory_builds",
    multiple=True,
    metavar="FINGERPRINT",
    help="A build that phones left the factory with; policy.toml may name more.",
)


@dataclass(frozen=True, slots=True)
class ReleaseOptions:
    """The values of the options, before any package has been read."""

    packages: tuple[Path, ...]
    sources: tuple[Path, ...]
    certificate: bytes | None
    codename: str | None
    region: str
    channel: str
    counter: int | None
    min_counter: int | None
    changelog: dict[str, str]
    factory_builds: tuple[str, ...]
    allow_operations: tuple[str, ...]
    proofs: tuple[Path, ...]
    labels: dict[str, str]
    csigs: tuple[Path, ...]
    md5: bool


_OPTIONS = [each.name for each in fields(ReleaseOptions) if each.name != "certificate"]


@dataclass(frozen=True, slots=True)
class Inspected:
    """The request, the facts of the packages and sources that are sound, and the team's policy.

    `unsound` gives, by file name, the error message of each unsound package.
    """

    request: ReleaseRequest
    packages: list[OtaFacts]
    sources: list[OtaFacts]
    unsound: dict[str, OtaError]
    policy: TeamPolicy


def release_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the package arguments and options of a release, as `options`."""

    @wraps(command)
    def run(*, certificate: Path | None, unverified: bool, **values: Any) -> None:
        if unverified == (certificate is not None):
            raise click.UsageError(
                "Give --certificate PEM to verify the packages' own signatures, or --unverified to"
                " go without."
            )
        given = {name: values.pop(name) for name in _OPTIONS}
        pem = None if certificate is None else certificate.read_bytes()
        command(options=ReleaseOptions(certificate=pem, **given), **values)

    for option in (
        expires_option,
        click.option(
            "--unverified",
            is_flag=True,
            help="Do not verify the packages' own signatures. Not advised.",
        ),
        click.option(
            "--certificate",
            type=EXISTING_FILE,
            metavar="PEM",
            help="Verify the packages' own signatures with it.",
        ),
        click.option(
            "--allow-operation",
            "allow_operations",
            multiple=True,
            metavar="NAME",
            help="A payload operation that is new to this version. May be repeated.",
        ),
        factory_option,
        click.option(
            "--md5",
            is_flag=True,
            help="Record each package's MD5, for PixelExperience's and crDroid's apps.",
        ),
        click.option(
            "--csig",
            "csigs",
            type=EXISTING_FILE,
            multiple=True,
            metavar="FILE",
            help="The package's signature for Custota, ZIP.csig, made by `ota csig`. May be"
            " repeated.",
        ),
        click.option(
            "--label",
            "labels",
            type=LabelAssignment(),
            multiple=True,
            callback=collected,
            metavar="NAME=TEXT",
            help="A field that an existing Updater app needs, such as lineage.version=22.1. May be"
            " repeated.",
        ),
        click.option(
            "--proof",
            "proofs",
            type=EXISTING_FILE,
            multiple=True,
            metavar="JSON",
            help="The report of `hening-device prove` on a package. May be repeated.",
        ),
        click.option(
            "--source",
            "sources",
            type=EXISTING_FILE,
            multiple=True,
            metavar="ZIP",
            help="The listed full package of a build that an incremental starts from, or of the"
            " build itself. May be repeated.",
        ),
        click.option(
            "--min-counter",
            type=click.IntRange(min=0),
            help="The lowest counter from which the packages may be installed. Default: any.",
        ),
        click.option(
            "--counter",
            type=click.IntRange(min=1),
            help="Default: the counter of this build, or the highest so far plus one.",
        ),
        changelog_option,
        click.option(
            "--channel",
            type=SEGMENT,
            shell_complete=complete_part,
            required=True,
            help="The channel that offers it, for example stable.",
        ),
        click.option(
            "--region",
            type=SEGMENT,
            shell_complete=complete_part,
            required=True,
            help="Where the release is offered, for example id.",
        ),
        click.option(
            "--codename",
            type=CODENAME,
            shell_complete=complete_part,
            help="The model. Default: the device that the package names.",
        ),
        click.argument("packages", metavar="ZIP...", type=EXISTING_FILE, nargs=-1, required=True),
    ):
        run = option(run)
    return run


def inspect_packages(options: ReleaseOptions, repo: Path) -> Inspected:
    """Read every package once and apply the policy of the working folder `repo`.

    Raises OtaError when no package is sound, ReleaseRefusal for an invalid proof.
    """
    from signer.ota.signatures import decode_certificate
    from signer.release.policy import load_policy
    from signer.release.request import ReleaseRequest

    policy, unsound = load_policy(repo), dict[str, OtaError]()
    pem = options.certificate
    certificate = None if pem is None else decode_certificate(pem)
    proofs = Proofs(
        tuple(map(load_proof, options.proofs)),
        policy.require_proof,
        "" if certificate is None else hashlib.sha256(certificate.der).hexdigest(),
        find_version(),
    )
    packages = _inspect(options, options.packages, unsound)
    sources = _inspect(options, options.sources, unsound)
    if not packages:
        raise next(iter(unsound.values()))
    model = options.codename or choose_codename(packages[0])
    request = ReleaseRequest(
        Channel(model, options.region, options.channel),
        options.counter,
        options.min_counter,
        options.changelog,
        tuple(policy.required_locales),
        frozenset(options.factory_builds) | policy.factory_builds_of(model),
        frozenset(options.allow_operations),
        proofs,
        options.labels,
        _find_extras(options, packages, certificate),
    )
    return Inspected(request, packages, sources, unsound, policy)


def _find_extras(
    options: ReleaseOptions, packages: list[OtaFacts], certificate: Certificate | None
) -> dict[str, Extras]:
    """Return csig and MD5 of each package; raises SignatureError for a csig of other bytes."""
    from signer.bundle_writer import Blob
    from signer.ota.csig import check_csig
    from signer.ota.errors import SignatureError
    from signer.release.request import Extras

    csigs = {path.name.removesuffix(".csig"): path for path in options.csigs}
    if unknown := csigs.keys() - {facts.path.name for facts in packages}:
        raise SignatureError(
            f"{csigs[min(unknown)].name} belongs to no package here: its name must be that of the"
            " package with .csig."
        )
    extras = {}
    for facts in packages:
        csig, md5 = None, ""
        if (path := csigs.get(facts.path.name)) is not None:
            check_csig(path, facts, certificate)
            data = path.read_bytes()
            csig = Blob(path, len(data), hashlib.sha256(data).hexdigest())
        if options.md5:
            with facts.path.open("rb") as file:
                md5 = hashlib.file_digest(
                    file, lambda: hashlib.md5(usedforsecurity=False)
                ).hexdigest()
        if csig is not None or md5:
            extras[facts.path.name] = Extras(csig, md5)
    return extras


def _inspect(
    options: ReleaseOptions, paths: tuple[Path, ...], unsound: dict[str, OtaError]
) -> list[OtaFacts]:
    from signer.ota.inspect import inspect_ota

    facts = []
    for path in paths:
        with progress_bar(f"Reading {path.name}") as progress:
            try:
                facts.append(
                    inspect_ota(
                        path,
                        certificate=options.certificate,
                        codename=options.codename,
                        progress=progress,
                    )
                )
            except OtaError as error:
                unsound[path.name] = error
    return facts
