"""`rollout withdraw`, `promote`, `retire`, `split`: propose changes that need offline keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from server.cli.options import JSON, STATE, complete_channel, now, require_state
from server.core.errors import FormatError
from server.core.names import check_codename, decode_channel
from server.storage.durable import READABLE, write_immutable

if TYPE_CHECKING:
    from server.release.rollouts.signed import Proposed

PROPOSE = click.option(
    "--propose",
    "file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file of the proposal, for `hening-signer ceremony`.",
)
NOTE = click.option("--note", default="", help="The reason, shown to the signers.")
EXPIRES = click.option(
    "--expires",
    "expires_days",
    type=click.IntRange(1, 3650),
    default=90,
    show_default=True,
    help="Days until the role's new version expires.",
)


def _proposes(command: Callable[..., Proposed]) -> Callable[..., None]:
    def run(file: Path, as_json: bool, **options: Any) -> None:
        _write(file, command(**options), as_json=as_json)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    for option in (JSON, EXPIRES, NOTE, PROPOSE, STATE):
        run = option(run)
    return run


@click.command(
    epilog="Example: hening-server rollout withdraw armani/id/stable --state var/server"
    " --counter 2 --propose withdrawal.json"
)
@click.argument("channel", metavar="CHANNEL", shell_complete=complete_channel)
@click.option("--counter", type=click.IntRange(min=1), required=True, help="The build.")
@click.option("--everywhere", is_flag=True, help="Withdraw it from all channels of the model.")
@click.option("--file", "name", default="", help="Only one package of the build, by its file name.")
@_proposes
def withdraw(
    channel: str,
    counter: int,
    everywhere: bool,
    name: str,
    state: Path,
    note: str,
    expires_days: int,
) -> Proposed:
    """Propose to withdraw a build, or one of its incrementals, permanently."""
    from server.release.rollouts.signed import Withdraw, propose_for_channel

    command = Withdraw(
        counter=counter, everywhere=everywhere, file=name, note=note, expires_days=expires_days
    )
    return propose_for_channel(command, decode_channel(channel), require_state(state).public, now())


@click.command(
    epilog="Example: hening-server rollout promote armani/id/beta stable --state var/server"
    " --counter 2 --propose promotion.json"
)
@click.argument("channel", metavar="CHANNEL", shell_complete=complete_channel)
@click.argument("to", metavar="TO", shell_complete=complete_channel)
@click.option("--counter", type=click.IntRange(min=1), required=True, help="The build.")
@_proposes
def promote(
    channel: str, to: str, counter: int, state: Path, note: str, expires_days: int
) -> Proposed:
    """Propose to list a build of CHANNEL also in the channel TO of its region."""
    from server.release.rollouts.signed import Promote, propose_for_channel

    place = decode_channel(channel)
    decode_channel(f"{place.codename}/{place.region}/{to}")
    command = Promote(counter=counter, to=to, note=note, expires_days=expires_days)
    return propose_for_channel(command, place, require_state(state).public, now())


@click.command(
    epilog="Example: hening-server rollout retire armani --state var/server"
    " --propose retirement.json"
)
@click.argument("codename", metavar="CODENAME")
@_proposes
def retire(codename: str, state: Path, note: str, expires_days: int) -> Proposed:
    """Propose to retire a model: its phones are no longer offered anything."""
    from server.release.rollouts.signed import Retire, propose_retirement

    check_codename(codename)
    command = Retire(note=note, expires_days=expires_days)
    return propose_retirement(command, codename, require_state(state).public, now())


@click.command(
    epilog="Example: hening-server rollout split --state var/server --parts 4 --propose split.json"
)
@click.option("--parts", type=click.Choice(["4", "16"]), required=True, help="The number of parts.")
@_proposes
def split(parts: str, state: Path, note: str, expires_days: int) -> Proposed:
    """Propose to split `latest`, and print what that saves and what it reveals.

    It is for fleets with thousands of channels. A phone then fetches a quarter or a sixteenth of
    the pointers.
    """
    from server.release.rollouts.signed import Split, propose_split

    number: Literal[4, 16] = 4 if parts == "4" else 16
    command = Split(parts=number, note=note, expires_days=expires_days)
    return propose_split(command, require_state(state).public, now())


def _write(file: Path, proposed: Proposed, *, as_json: bool) -> None:
    if file.exists() and file.read_bytes() != proposed.data:
        raise FormatError(f"{file} exists already; name another file.")
    write_immutable(file, proposed.data, mode=READABLE)  # signers read it; it holds no secret
    if as_json:
        remarks = list(proposed.remarks)
        click.echo(
            json.dumps({"proposal": proposed.identity, "file": str(file), "remarks": remarks})
        )
        return
    for remark in proposed.remarks:
        click.echo(remark)
    click.echo(
        f"Proposal {proposed.identity[:16]} is in {file}; nothing changes until it is signed."
    )
