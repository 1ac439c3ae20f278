"""`hening-device prove`: installs a package on a throw-away phone and reports on it."""

import json
from pathlib import Path

import click

from client_sim.device.candidate import encode_proof
from client_sim.device.errors import InstallError
from client_sim.device.options import AS_JSON, FILE, Screen
from client_sim.device.records import replace_file
from client_sim.device.release import is_codename
from hening.version import find_version


def _read_codename(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> str | None:
    if value is not None and not is_codename(value):
        raise click.BadParameter(f"{value} is no codename of a model")
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
    report with --proof. The phone is in a folder beside the report until the end; after an
    interruption the same command goes on. It takes as much room as the partitions do, with --source
    twice as much. Exit status 1 when the phone refuses.
    """
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


def _describe_proof(name: str, refusal: str, ways: tuple[str, ...], out: Path) -> str:
    if refusal:
        return f"The report on {name} is {out}."
    how = "streamed and whole" if "stream" in ways else "as a file; it cannot be streamed"
    return f"{name} installs, {how}. The report is {out}."
