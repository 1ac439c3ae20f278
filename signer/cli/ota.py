"""`ota`: look into packages."""

from pathlib import Path
from typing import Any

import click
import msgspec

from signer.cli.output import print_json, print_table, progress_bar
from signer.cli.parameters import EXISTING_FILE
from signer.errors import ReleaseRefusal
from signer.ota.facts import OtaFacts
from signer.ota.inspect import inspect_ota
from signer.package_checks import Verdict, judge_package


@click.group("ota", epilog="Example: hening-signer ota inspect armani-id-2-full.zip")
def ota_commands() -> None:
    """Look into the OTA zips that a ROM build makes."""


@ota_commands.command(
    epilog="Example: hening-signer ota inspect --certificate releasekey.x509.pem"
    " --codename armani armani-id-2-full.zip"
)
@click.argument("package", metavar="ZIP", type=EXISTING_FILE)
@click.option(
    "--certificate", type=EXISTING_FILE, metavar="PEM", help="Verify all signatures with it."
)
@click.option("--codename", help="Ask whether the package is for this model.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(package: Path, certificate: Path | None, codename: str | None, as_json: bool) -> None:
    """Check a package and print its facts and the verdict on each question.

    Exit status 1 when the package is unsound or must not become a release.
    """
    pem = None if certificate is None else certificate.read_bytes()
    with progress_bar(f"Reading {package.name}") as progress:
        facts = inspect_ota(package, certificate=pem, progress=progress)
    verdicts = judge_package(facts, codename)
    if as_json:
        print_json({"facts": _facts_json(facts), "verdicts": [_verdict_json(v) for v in verdicts]})
    else:
        print_table(f"Package {package.name}", ("fact", "value"), _rows(facts))
        print_table(
            "Verdicts",
            ("question", "answer"),
            [("is what it says it is", "yes"), _signature_row(facts)]
            + [(verdict.question, verdict.refusal or "yes") for verdict in verdicts],
        )
    for verdict in verdicts:
        if verdict.refusal:
            raise ReleaseRefusal(verdict.refusal)


def _rows(facts: OtaFacts) -> list[tuple[str, str]]:
    rows = [
        ("type", f"{facts.ota_type} {facts.type}"),
        ("devices", " ".join(facts.devices)),
        ("build", facts.fingerprint),
        ("incremental", facts.incremental),
        ("from builds", " ".join(facts.source_builds) or "any"),
        ("built", str(facts.post_timestamp)),
        ("security patch level", facts.security_patch_level),
        ("SDK level", str(facts.sdk_level)),
        ("length", str(facts.length)),
        ("sha256", facts.sha256),
        ("payload minor version", str(facts.minor_version)),
    ]
    for partition in facts.partitions:
        operations = " ".join(f"{name}:{n}" for name, n in sorted(partition.operations.items()))
        rows.append(
            (f"partition {partition.name}", f"{partition.size} {partition.sha256} {operations}")
        )
    return rows


def _signature_row(facts: OtaFacts) -> tuple[str, str]:
    checked = facts.signed.payload and facts.signed.whole_file
    return "is signed", "yes" if checked else "not asked: give --certificate"


def _facts_json(facts: OtaFacts) -> dict[str, Any]:
    value: dict[str, Any] = msgspec.to_builtins(facts, enc_hook=str)
    value["path"] = facts.path.name
    return value


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "passed": not verdict.refusal,
        "question": verdict.question,
        "refusal": verdict.refusal,
    }
