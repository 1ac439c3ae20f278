"""`rollout`: pointer editing with intent, published on the spot."""

import contextlib
import json
import re
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from server.cli.options import JSON, STATE, now, require_state
from server.cli.pointers import Change, changes_pointers, describe, require
from server.core.names import Channel
from server.core.pointer import Pointer
from server.core.release import decode_releases
from server.publisher import rollout as plans
from server.publisher.errors import PublishError
from server.publisher.published import Published, load_published

SHARE = click.option(
    "--share", default="", help="Share of the fleet from now on, such as 0.5% or 100%."
)
TIMES = click.option("--at", "times", multiple=True, help="TIME=SHARE; give it once for each step.")
REASONS = click.option("--reason", "reasons", multiple=True, help="LOCALE=TEXT, shown to owners.")
LATE_SECONDS = 300  # how late a step's command may come
_SHARE = re.compile(r"([0-9]{1,3})(?:\.([0-9]))?%")


@click.group(
    epilog="Example: hening-server rollout offer armani/id/stable --state var/server --share 1%"
)
def rollout() -> None:
    """Offer a release, raise its share, pause it, halt it."""


@rollout.command(
    epilog="Example: hening-server rollout offer armani/id/stable --state var/server"
    " --counter 2 --at 2026-12-01T06:00Z=1% --at 2026-12-03T06:00Z=100%"
)
@click.option("--counter", type=int, help="The release's counter.  [default: the newest]")
@SHARE
@TIMES
@changes_pointers
def offer(counter: int | None, share: str, times: tuple[str, ...]) -> Change:
    """Offer a signed release in each CHANNEL (CODENAME/REGION/CHANNEL), published together."""
    schedule = _schedule(share, times)

    def edit(where: Channel, published: Published, current: Pointer | None) -> Pointer:
        role = published.roles.get(where.codename)
        if role is None:
            raise PublishError(f"there is no model {where.codename}.")
        files = {path: (t.length, t.hashes["sha256"]) for path, t in role.targets.items()}
        releases = decode_releases(role)
        chosen = plans.newest_counter(where, releases) if counter is None else counter
        return plans.plan_offer(where, chosen, releases, files, schedule, current)

    return edit


@rollout.command(
    "set", epilog="Example: hening-server rollout set armani/id/stable --state S --share 100%"
)
@SHARE
@TIMES
@changes_pointers
def set_share(share: str, times: tuple[str, ...]) -> Change:
    """Raise the share of the fleet, now or by schedule; resumes a paused rollout."""
    schedule = _schedule(share, times)

    def edit(where: Channel, _published: Published, current: Pointer | None) -> Pointer:
        return plans.plan_schedule(where, require(where, current), schedule, _time())

    return edit


@rollout.command(epilog="Example: hening-server rollout pause armani/id/stable --state S")
@REASONS
@changes_pointers
def pause(reasons: tuple[str, ...]) -> Change:
    """Freeze the share that was reached."""
    texts = _texts(reasons)

    def edit(where: Channel, _published: Published, current: Pointer | None) -> Pointer:
        return plans.plan_pause(where, require(where, current), texts, _time())

    return edit


@rollout.command(
    epilog="Example: hening-server rollout halt armani/id/stable --state S --reason en='It drains'"
)
@REASONS
@changes_pointers
def halt(reasons: tuple[str, ...]) -> Change:
    """Take nobody in any more, and nobody who has not switched slots yet."""
    texts = _texts(reasons)

    def edit(where: Channel, _published: Published, current: Pointer | None) -> Pointer:
        return plans.plan_halt(where, require(where, current), texts)

    return edit


@rollout.command(epilog="Example: hening-server rollout show --state var/server")
@STATE
@JSON
def show(state: Path, as_json: bool) -> None:
    """Show what every channel offers now, and to which share."""
    folder = require_state(state)
    published = load_published(folder.public)
    pointers = {} if published is None else published.pointers()
    if as_json:
        click.echo(json.dumps([describe(path, pointers[path]) for path in sorted(pointers)]))
        return
    table = Table("channel", "counter", "share", "state")
    for path in sorted(pointers):
        row = describe(path, pointers[path])
        table.add_row(row["channel"], str(row["counter"]), f"{row['permille'] / 10}%", row["state"])
    Console().print(table)


def _schedule(share: str, times: tuple[str, ...]) -> list[tuple[int, int]]:
    pairs = [(_time(), _permille(share))] if share else []
    for text in times:
        moment, _, part = text.partition("=")
        with contextlib.suppress(ValueError):
            start = datetime.fromisoformat(moment)
            if start.tzinfo is not None:
                pairs.append((_check_ahead(moment, int(start.timestamp())), _permille(part)))
                continue
        raise click.UsageError(f"{moment[:40]!r} is no time with zone; 2026-12-01T06:00Z is one.")
    if not pairs:
        raise click.UsageError("say who is offered it: --share 1% or --at TIME=1%.")
    return pairs


def _permille(text: str) -> int:
    match = _SHARE.fullmatch(text)
    permille = 1001 if match is None else int(match[1]) * 10 + int(match[2] or 0)
    if permille > 1000:
        raise click.UsageError(f"{text[:16]!r} is not a share: write 0% to 100%, such as 0.5%.")
    return permille


def _check_ahead(moment: str, start: int) -> int:
    """Return the time of a step; a step in the past would apply at once and stay."""
    if start < _time() - LATE_SECONDS:
        raise PublishError(f"{moment} is in the past; for a share from now on use --share.")
    return start


def _texts(reasons: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in reasons]
    if any(not mark for _, mark, _ in pairs):
        raise click.UsageError("a reason is LOCALE=TEXT, such as --reason en='It drains'.")
    return {locale: text for locale, _, text in pairs}


def _time() -> int:
    return int(now().timestamp())
