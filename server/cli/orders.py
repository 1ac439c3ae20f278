"""What every command of `rollout` shares: options, and what they mean."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from server.cli.options import JSON, STATE, complete_channel, read_settings, require_state
from server.cli.plan_options import parse_moment
from server.core.names import decode_channel

if TYPE_CHECKING:
    from server.cli.ordering import MakeOrder

CHANNELS = click.argument(
    "channels",
    nargs=-1,
    required=True,
    metavar="CHANNEL...",
    shell_complete=complete_channel,
)


def _check_url(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """Refuse an address before anything is published."""
    if value and not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:-]+/?", value):
        raise click.BadParameter("it is not of the form http://HOST:PORT.")
    return value


PUBLIC_URL = click.option(
    "--public-url",
    default="",
    callback=_check_url,
    help="Read the result back from this address instead of disk.",
)
IF_MATCH = click.option(
    "--if-match", default="", help="Change nothing unless the channel has this tag still."
)
DUE = click.option("--due", default="", help="Do it at this time; `run` has to be running then.")
NOTE = click.option("--note", default="", help="Why, for the record.")
DRY_RUN = click.option("--dry-run", is_flag=True, help="Show what phones would be offered.")


def gives_orders(command: Callable[..., MakeOrder]) -> Callable[..., None]:
    """Make a command of a function that returns what to order of each channel."""

    @CHANNELS
    @STATE
    @IF_MATCH
    @DUE
    @NOTE
    @DRY_RUN
    @PUBLIC_URL
    @JSON
    @functools.wraps(command)
    def run(
        channels: tuple[str, ...],
        state: Path,
        public_url: str,
        if_match: str,
        due: str,
        note: str,
        dry_run: bool,
        as_json: bool,
        **options: Any,
    ) -> None:
        from server.cli.ordering import Circumstances, give_orders
        from server.release.rollouts.etag import ANY

        make = command(**options)
        settings = read_settings(state)
        folder = require_state(state, settings)
        places = [decode_channel(channel) for channel in dict.fromkeys(channels)]
        if if_match and len(places) > 1:
            raise click.UsageError("--if-match is the tag of one channel: name only that one.")
        moment = parse_moment(due) if due else None
        is_halt, is_offer = (command.__name__ == name for name in ("halt", "offer"))
        if due and is_halt:
            raise click.UsageError("a halt is never put off: leave --due away.")
        how = Circumstances(
            public_url, if_match or ANY, moment, note, dry_run, as_json, is_halt, is_offer
        )
        give_orders(folder, settings, places, make, how)

    return run
