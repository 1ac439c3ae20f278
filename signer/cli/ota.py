"""`ota`: look into packages."""

from pathlib import Path
from typing import Any

import click
import msgspec

from signer.cli.failures import REFUSED, json_option, report
from signer.cli.output import print_json, print_table, progress_bar, show_moment
from signer.cli.parameters import CODENAME, EXISTING_FILE
from signer.ota.facts import OtaFacts
from signer.ota.inspect import inspect_ota
from signer.package_checks import Verdict, judge_package

SOUND, SIGNED = "is what it says it is", "is signed"


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
@click.option("--codename", type=CODENAME, help="Ask whether the package is for this model.")
@json_option
def inspect(package: Path, certificate: Path | None, codename: str | None, as_json: bool) -> None:
    """Check a package and print its facts and the verdict on each question.

    Exit status 1 when the package is unsound or must not become a release.
    """
    pem = None if certificate is None else certificate.read_bytes()
    with progress_bar(f"Reading {package.name}") as progress:
        facts = inspect_ota(package, certificate=pem, progress=progress)
    verdicts = judge_package(facts, codename)
    signed = facts.signed.payload and facts.signed.whole_file
    refusal = next((verdict.refusal for verdict in verdicts if verdict.refusal), "")
    if as_json:
        value = {
            "facts": _facts_json(facts, signed=signed),
            "verdicts": [
                {"passed": True, "question": SOUND, "refusal": ""},
                {"passed": signed or None, "question": SIGNED, "refusal": ""},
                *(_verdict_json(verdict) for verdict in verdicts),
            ],
        }
        print_json(value | ({"error": refusal} if refusal else {}))
    else:
        print_table(f"Package {package.name}", ("fact", "value"), _rows(facts))
        print_table(
            "Verdicts",
            ("question", "answer"),
            [(SOUND, "yes"), (SIGNED, "yes" if signed else "not asked: give --certificate")]
            + [(verdict.question, verdict.refusal or "yes") for verdict in verdicts],
        )
    if refusal:
        # Not raised, because the JSON says it already.
        report(refusal)
        click.get_current_context().exit(REFUSED)


def _rows(facts: OtaFacts) -> list[tuple[str, str]]:
    rows = [
        ("type", f"{facts.ota_type} {facts.type}"),
        ("devices", " ".join(facts.devices)),
        ("build", facts.fingerprint),
        ("incremental", facts.incremental),
        ("from builds", " ".join(facts.source_builds) or "any"),
        ("built", show_moment(facts.post_timestamp)),
        ("security patch level", facts.security_patch_level),
        ("SDK level", str(facts.sdk_level)),
        ("length", f"{facts.length} octets"),
        ("sha256", facts.sha256),
        ("payload minor version", str(facts.minor_version)),
    ]
    for partition in facts.partitions:
        operations = " ".join(f"{name}:{n}" for name, n in sorted(partition.operations.items()))
        rows.append(
            (
                f"partition {partition.name}",
                f"{partition.size} octets {partition.sha256} {operations}",
            )
        )
    return rows


def _facts_json(facts: OtaFacts, *, signed: bool) -> dict[str, Any]:
    value: dict[str, Any] = msgspec.to_builtins(facts, enc_hook=str)
    value["path"] = facts.path.name
    if not signed:
        value["signed"] = None  # nobody asked, which is not the same as false
    return value


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "passed": not verdict.refusal,
        "question": verdict.question,
        "refusal": verdict.refusal,
    }
