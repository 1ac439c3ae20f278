"""`hening-device poll`, `install` and `prove`: poll the server, install an offer or a candidate."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from client_sim.device.errors import InstallError
from client_sim.device.options import (
    AS_JSON,
    FILE,
    PHONE,
    RESOLVE,
    Screen,
    condition_options,
    print_json,
    read_conditions,
)
from client_sim.device.records import replace_file
from client_sim.device.release import is_codename
from client_sim.transport import host_header
from hening.version import find_version


@click.command(
    "poll",
    epilog=(
        "\b\n"
        "Example:\n"
        "  hening-device poll --phone var/phone --resolve updates.hening.example=127.0.0.1 \\\n"
        "      --explain\n"
    ),
)
@PHONE
@RESOLVE
@click.option(
    "--explain",
    is_flag=True,
    help="Print the bytes of every request, then each rule and condition with its result.",
)
@condition_options
@AS_JSON
def poll_command(
    folder: Path,
    resolve: Mapping[str, list[str]],
    explain: bool,
    as_json: bool,
    **stated: Any,
) -> None:
    """Poll the server once; install nothing.

    The conditions do not affect the poll: they decide whether an installation may follow.
    """
    from client_sim.device.phone import Phone
    from client_sim.device.summary import describe_checks, describe_poll, describe_requests
    from client_sim.device.update import judge_offer

    phone = Phone(folder, resolver=resolve)
    conditions = read_conditions(folder, **stated)
    outcome = phone.poll()
    next_poll = phone.next_poll()
    checks = outcome.checks
    if outcome.offer is not None:
        checks += judge_offer(phone.state, outcome.offer, conditions)
    if as_json:
        print_json({**describe_poll(outcome, checks), "next_poll": next_poll})
    else:
        if explain:
            for line in describe_requests(host_header(phone.public), outcome):
                click.echo(line)
            for line in describe_checks(checks):
                click.echo(line)
        for warning in outcome.warnings:
            click.echo(f"warning: {warning}", err=True)
        if outcome.failure is None:
            click.echo(outcome.reason)
        if outcome.offer is not None and (unmet := [c for c in checks if not c.passed]):
            click.echo(f"Not now: {unmet[0].sentence}")
    if outcome.failure is not None:
        raise outcome.failure


@click.command(
    "install",
    epilog=(
        "\b\n"
        "Example:\n"
        "  hening-device install --phone var/phone --resolve updates.hening.example=127.0.0.1\n"
    ),
)
@PHONE
@RESOLVE
@condition_options
@click.option("--yes", "is_agreed", is_flag=True, help="Agree to the build that is offered.")
@click.option(
    "--retry-failed", is_flag=True, help="Also install a build that did not start on this phone."
)
@click.option("--broken-boot", is_flag=True, help="Let the new build fail to start.")
@click.option(
    "--whole-file", "is_whole", is_flag=True, help="Fetch the whole package before installing it."
)
@AS_JSON
def install_command(
    folder: Path,
    resolve: Mapping[str, list[str]],
    is_agreed: bool,
    retry_failed: bool,
    broken_boot: bool,
    is_whole: bool,
    as_json: bool,
    **stated: Any,
) -> None:
    """Poll, install the offered build, reboot, and confirm the build or fall back."""
    from client_sim.device.phone import Phone
    from client_sim.device.summary import describe_poll

    phone = Phone(folder, resolver=resolve)
    before = phone.running_build
    with Screen(quiet=as_json) as screen:
        installation = phone.install(
            conditions=read_conditions(folder, **stated),
            is_agreed=is_agreed,
            retry_failed=retry_failed,
            is_whole=is_whole,
            progress=screen.progress,
            report=screen.say,
        )
    reason, failed = installation.reason, None
    if installation.installed is not None:
        boot = phone.reboot(is_healthy=lambda build: not broken_boot or build == before)
        failed = boot.failed_build
        if failed is None:
            reason = f"Build {boot.build.counter} was installed and runs: {boot.build.fingerprint}."
        else:
            reason = f"Build {failed.counter} did not start; build {boot.build.counter} runs again."
    if as_json:
        print_json(
            {
                **describe_poll(installation.poll, installation.checks),
                "installed": installation.installed is not None and failed is None,
                "package": None if installation.offer is None else asdict(installation.offer),
                "failed_build": None if failed is None else asdict(failed),
                "running": asdict(phone.running_build),
                "reason": reason,
            }
        )
    else:
        click.echo(reason)
    if failed is not None:
        raise SystemExit(1)


def _read_codename(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> str | None:
    if value is not None and not is_codename(value):
        raise click.BadParameter(f"{value} is not a codename")
    return value


@click.command(
    "prove",
    epilog=(
        "\b\n"
        "Example:\n"
        "  hening-device prove --certificate ota.pem --source armani-1-full.zip \\\n"
        "      armani-2-incremental.zip\n"
    ),
)
@click.argument("package", type=FILE)
@click.option(
    "--source",
    type=FILE,
    metavar="ZIP",
    help="The full package of the build that the phone runs. An incremental needs it.",
)
@click.option(
    "--certificate", required=True, type=FILE, help="PEM certificate of the packages' signer."
)
@click.option(
    "--codename",
    callback=_read_codename,
    help="The model. Default: the device that the package names.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The report. Default: the package's name with .proof.json, in this folder.",
)
@AS_JSON
def prove_command(
    package: Path,
    source: Path | None,
    certificate: Path,
    codename: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Install a package on a throw-away phone, and write a report for the signer.

    PACKAGE is installed twice, as a stream and as a file. `hening-signer release sign` takes the
    report with --proof. While the command runs, the phone is in a folder beside the report; after
    an interruption, run the same command again to continue. The folder needs as much disk space as
    the partitions, with --source twice as much. Exit status 1 if the phone refuses the package.
    """
    from client_sim.device.candidate import encode_proof
    from client_sim.device.prove import Request, prove

    out = out or Path(f"{package.stem}.proof.json")
    request = Request(package, source, certificate.read_bytes(), codename, find_version())
    with Screen(quiet=as_json) as screen:
        proof = prove(
            request,
            out.with_name(f"{out.name}.unfinished"),
            say=screen.say,
            progress=screen.progress,
        )
    data = encode_proof(proof)
    replace_file(out, data)
    if as_json:
        click.echo(json.dumps(json.loads(data), indent=2, sort_keys=True))
    else:
        click.echo(_describe_proof(package.name, proof.refusal, proof.ways, out))
    if proof.refusal:
        raise InstallError(f"{package.name} does not install: {proof.refusal}")


def _describe_proof(name: str, refusal: str, modes: tuple[str, ...], out: Path) -> str:
    if refusal:
        return f"The report on {name} is {out}."
    how = "streamed and whole" if "stream" in modes else "as a file; it cannot be streamed"
    return f"{name} installs, {how}. The report is {out}."
