"""`quickstart`: everything that one person needs to sign releases, in one command."""

import sys
from pathlib import Path

import click

from signer.cli.output import describe, json_option, print_json
from signer.cli.parameters import CODENAME, FOLDER, CheckedText
from signer.cli.passphrases import Passphrases, passphrase_option
from signer.cli.runtime import Runtime
from signer.errors import EnvironmentFailedError, SignerError, resumable
from signer.quickstart.layout import (
    Layout,
    check_free,
    check_writable,
    load_unfinished,
    record_begin,
)


def _check_log_name(text: str) -> None:
    """Raise FormatError unless `text` can name a log."""
    from server.core.note import check_log_name

    check_log_name(text)


def _take_one(_context: click.Context, _option: click.Parameter, models: tuple[str, ...]) -> str:
    if len(models) > 1:
        raise click.UsageError(
            "A quickstart is for one model. Start with one of them; afterwards `hening-signer keys"
            f" new {models[-1]}-1` and `hening-signer ceremony model {models[-1]}` add another."
        )
    return models[0]


@click.command("quickstart", epilog="Example: hening-signer quickstart --model armani --out rom")
@click.option(
    "--model",
    type=CODENAME,
    required=True,
    multiple=True,
    callback=_take_one,
    metavar="CODENAME",
    help="The model to sign for; others can be added afterwards.",
)
@click.option("--out", type=FOLDER, required=True, help="The folder to make.")
@click.option(
    "--second-root",
    "second",
    type=FOLDER,
    help="The folder to make for the second root key, if possible on another disk. Default: a"
    " prompt, or without a terminal ~/NAME-second-root, where NAME is that of --out.",
)
@click.option(
    "--log-origin",
    type=CheckedText("NAME", _check_log_name),
    metavar="NAME",
    help="Name of the transparency log, which can never change. Default: hening.example/log.",
)
@passphrase_option
@json_option
@click.pass_obj
def quickstart_command(
    runtime: Runtime,
    model: str,
    out: Path,
    second: Path | None,
    log_origin: str | None,
    passphrase_fd: int | None,
    as_json: bool,
) -> None:
    """Make keys, sign a first root and set up a server, for one person.

    It asks for one passphrase for all keys, and does not store it. One signature is enough for
    every role. Root has two keys, so that you can go on after the loss of one disk. After an
    interruption, run the same command again.
    """
    from signer.quickstart.steps import describe_result, make_all, make_runner

    unfinished = load_unfinished(out)
    if second is None:
        second = _choose_second(out) if unfinished is None else unfinished.second
    layout = Layout(out, second.absolute(), model)
    check_free(layout, unfinished)
    check_writable(layout.out, "--out")
    check_writable(layout.second, "--second-root")
    passphrase = _take_passphrase(runtime, layout, passphrase_fd)
    with resumable(layout.advice):
        if unfinished is None:
            record_begin(layout)
        try:
            make_all(
                layout,
                log_origin,
                make_runner(passphrase),
                (lambda _sentence: None) if as_json else click.echo,
            )
        except (SignerError, OSError) as error:
            kind = type(error) if isinstance(error, SignerError) else EnvironmentFailedError
            raise kind(f"{describe(error)} {layout.advice}.") from error
    if as_json:
        paths = {
            "keys": layout.keys,
            "repo": layout.repo,
            "second_root": layout.second,
            "settings": layout.settings,
            "state": layout.server,
        }
        print_json({name: str(path) for name, path in paths.items()})
        return
    one_disk = layout.keys.stat().st_dev == layout.second.stat().st_dev
    click.echo()
    for line in describe_result(layout, one_disk=one_disk):
        click.echo(line)


def _choose_second(out: Path) -> Path:
    proposal = Path.home() / f"{out.absolute().name}-second-root"
    if not sys.stdin.isatty():
        return proposal
    click.echo("If this disk is lost, a second root key lets you make new keys.")
    answer: str = click.prompt(
        "Folder for it, if possible on another disk", default=str(proposal), err=True
    )
    return Path(answer).expanduser()


def _take_passphrase(runtime: Runtime, layout: Layout, passphrase_fd: int | None) -> bytes:
    """Return the passphrase for all keys: a new one, or that of the existing keys."""
    from signer.keys.key_file import check_passphrase
    from signer.keys.keystore import Keystore

    passphrases = Passphrases(passphrase_fd, runtime.environment)
    store = Keystore(layout.keys)
    existing = [name for name in layout.key_names if (layout.keys / f"{name}.pub").exists()]
    if not existing:
        passphrase = passphrases.choose(f"your keys for {layout.model}")
        check_passphrase(passphrase)
        return passphrase
    passphrase = passphrases(f"the keys in {layout.keys}")
    store.load_signer(store.load_public_key(existing[0]), lambda _name: passphrase)
    return passphrase
