"""`ota`: inspect packages, and sign their parts for Custota."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from hening.times import UTC_TIMES, show_second
from server.core.quantities import spell_size
from server.tables import print_table
from signer.cli.output import REFUSED, json_option, print_json, progress_bar, report
from signer.cli.parameters import CODENAME, EXISTING_FILE, LabelAssignment
from signer.cli.passphrases import Passphrases, passphrase_option
from signer.cli.runtime import Runtime
from signer.ota.errors import OtaError
from signer.ota.metadata import BLOCK
from signer.release.package_checks import Verdict, judge_package

if TYPE_CHECKING:
    from signer.ota.summary import OtaFacts, PartitionFacts


@click.group("ota", epilog="Example: hening-signer ota inspect armani-id-2-full.zip")
def ota_commands() -> None:
    """Inspect the OTA zips that a ROM build makes."""


@ota_commands.command(
    epilog="Example: hening-signer ota inspect --certificate releasekey.x509.pem"
    " --codename armani armani-id-2-full.zip"
)
@click.argument("package", metavar="ZIP", type=EXISTING_FILE)
@click.option(
    "--certificate", type=EXISTING_FILE, metavar="PEM", help="Verify all signatures with it."
)
@click.option("--codename", type=CODENAME, help="Check that the package is for this model.")
@click.option(
    "--allow-operation",
    "allow_operations",
    multiple=True,
    metavar="NAME",
    help="Allow a feature that not every phone supports, such as unknown-27 or PUFFDIFF. May be"
    " repeated.",
)
@click.option(
    "--label",
    "labels",
    type=LabelAssignment(),
    multiple=True,
    metavar="NAME=TEXT",
    help="A label that the release will have. May be repeated.",
)
@UTC_TIMES
@json_option
def inspect(
    package: Path,
    certificate: Path | None,
    codename: str | None,
    allow_operations: tuple[str, ...],
    labels: tuple[tuple[str, str], ...],
    as_json: bool,
) -> None:
    """Check a package and print its facts and the verdict on each question.

    Reads A/B and block-based packages. Exit status 1 when the package is unsound or must not become
    a release. For an unsound package no facts are printed, and the verdicts end at the first no.
    """
    from signer.ota.summary import find_app_warnings

    pem = None if certificate is None else certificate.read_bytes()
    facts, verdicts = _judge(package, pem, codename, allow_operations)
    warnings = [] if facts is None else find_app_warnings(facts, dict(labels))
    refusal = next((verdict.refusal for verdict in verdicts if verdict.refusal), "")
    if as_json:
        value: dict[str, Any] = {
            "facts": facts and _facts_json(facts, was_asked=pem is not None),
            "verdicts": [_verdict_json(verdict) for verdict in verdicts],
        }
        value |= {"warnings": warnings} if warnings else {}
        print_json(value | ({"error": refusal} if refusal else {}))
    else:
        if facts is not None:
            print_table(f"Package {package.name}", ("fact", "value"), _rows(facts))
        print_table(
            "Verdicts" if facts is not None else f"Verdicts on {package.name} up to the first no",
            ("the package", "answer", "remark"),
            [(each.question, each.answer, each.refusal or each.remark) for each in verdicts],
        )
        for warning in warnings:
            click.echo(f"Warning: {warning}")
    if refusal:
        # The refusal is not raised, because the JSON contains it already.
        report(refusal)
        click.get_current_context().exit(REFUSED)


@ota_commands.command(
    epilog="Example: hening-signer ota csig --key releasekey.pem --certificate releasekey.x509.pem"
    " armani-id-2-full.zip"
)
@click.argument("package", metavar="ZIP", type=EXISTING_FILE)
@click.option(
    "--key", required=True, type=EXISTING_FILE, metavar="PEM", help="The private OTA key, RSA."
)
@click.option(
    "--certificate", required=True, type=EXISTING_FILE, metavar="PEM", help="Its certificate."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write. Default: ZIP.csig.",
)
@passphrase_option
@click.pass_obj
def csig(
    runtime: Runtime,
    package: Path,
    key: Path,
    certificate: Path,
    out: Path | None,
    passphrase_fd: int | None,
) -> None:
    """Sign the parts of a package for the app Custota.

    Give the file to `release sign --csig`. The package's signatures must verify with the same
    certificate.
    """
    from signer.durable import write_synced
    from signer.ota.csig import make_csig
    from signer.ota.inspect import inspect_ota

    pem = certificate.read_bytes()
    with progress_bar(f"Reading {package.name}") as progress:
        facts = inspect_ota(package, certificate=pem, progress=progress)
    passphrases = Passphrases(passphrase_fd, runtime.environment)
    data = make_csig(facts, key.read_bytes(), pem, passphrases)
    path = out or package.with_name(f"{package.name}.csig")
    write_synced(path, data)
    click.echo(f"{path.name} has {len(data)} bytes; next: release sign --csig {path}.")


def _judge(
    package: Path, pem: bytes | None, codename: str | None, allow_operations: tuple[str, ...]
) -> tuple[OtaFacts | None, tuple[Verdict, ...]]:
    """Return facts and verdicts; for an unsound package None, and verdicts up to the first no.

    A question can be answered yes from the zip's directory and, later, no from its data.
    """
    from signer.ota.inspect import inspect_ota

    passed: list[str] = []
    with progress_bar(f"Reading {package.name}") as progress:
        try:
            facts = inspect_ota(package, certificate=pem, progress=progress, answered=passed.append)
        except OtaError as error:
            verdicts = [Verdict(package.name, each) for each in passed if each != error.question]
            return None, (*verdicts, Verdict(package.name, error.question, str(error)))
    return facts, judge_package(facts, codename, allow_operations=allow_operations)


def _rows(facts: OtaFacts) -> list[tuple[str, str]]:
    block = facts.ota_type == BLOCK
    version = facts.transfer_version if block else facts.minor_version
    rows = [
        ("type", f"{facts.ota_type} {facts.type}"),
        ("devices", " ".join(facts.devices)),
        ("build", facts.fingerprint),
        ("incremental", facts.incremental or "not stated"),
        ("from builds", " ".join(facts.source_builds) or "any"),
        ("built", show_second(facts.post_timestamp)),
        ("security patch level", facts.security_patch_level or "not stated"),
        ("SDK level", str(facts.sdk_level or "not stated")),
        ("length", spell_size(facts.length)),
        ("sha256", facts.sha256),
        ("transfer list version" if block else "payload minor version", str(version)),
        ("to be allowed by name", " ".join(facts.unknown) or "nothing"),
    ]
    for partition in facts.partitions:
        rows += _partition_rows(partition)
    return rows


def _partition_rows(partition: PartitionFacts) -> list[tuple[str, str]]:
    operations = sorted(partition.operations.items())
    rows = [
        (f"partition {partition.name}", spell_size(partition.size)),
        ("  operations", " ".join(f"{name}:{count}" for name, count in operations)),
    ]
    if partition.sha256:
        rows.append(("  sha256", partition.sha256))
    if partition.source_sha256:
        rows.append(("  from", spell_size(partition.source_size)))
        rows.append(("  from sha256", partition.source_sha256))
    return rows


def _facts_json(facts: OtaFacts, *, was_asked: bool) -> dict[str, Any]:
    value: dict[str, Any] = msgspec.to_builtins(facts, enc_hook=str)
    value["path"] = facts.path.name
    if not was_asked:
        value["signed"] = None  # not requested, which is not the same as false
    return value


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "passed": verdict.passed,
        "question": verdict.question,
        "refusal": verdict.refusal,
        "remark": verdict.remark,
    }
