"""Options and parameter types that the content commands share: times, shares, hosts."""

import contextlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from server.core.content.kinds import KINDS
from signer.cli.parameters import EXISTING_FOLDER, ChangelogText, CheckedText, collected

_SHARE = re.compile(r"([0-9]{1,3})(?:\.([0-9]))?%")

KIND = click.Choice(list(KINDS))
PACK = EXISTING_FOLDER


class Moment(click.ParamType[int]):
    """A time with a time zone, as epoch seconds."""

    name = "TIME"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read ISO 8601; a time without a zone is refused as ambiguous."""
        moment: datetime | None = None
        with contextlib.suppress(ValueError):
            moment = datetime.fromisoformat(value)
        if moment is None or moment.tzinfo is None or moment.timestamp() < 0:
            self.fail(
                f"{value[:40]!r} is not a time with a time zone such as 2026-12-01T06:00Z.",
                param,
                ctx,
            )
        return int(moment.timestamp())


class Step(click.ParamType[tuple[int, int]]):
    """`TIME=SHARE`, as epoch seconds and permille."""

    name = "TIME=SHARE"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Split at the equals sign and read both halves."""
        time, _, share = value.partition("=")
        found = _SHARE.fullmatch(share)
        permille = 10 * int(found[1]) + int(found[2] or 0) if found else 1001
        if permille > 1000:
            self.fail(f"{value[:40]!r} is not TIME=SHARE with a share like 0.5%.", param, ctx)
        return Moment().convert(time, param, ctx), permille


def _check_host(text: str) -> None:
    """Raise FormatError unless `text` is a host name to which links may lead."""
    from server.core.content.text import check_host

    check_host(text)


HOST = CheckedText("HOST", _check_host)
hosts_option = click.option(
    "--host",
    "hosts",
    type=HOST,
    multiple=True,
    help="A host to which links may lead; may be repeated. Default: the signed ones.",
)
own_hosts_option = click.option(
    "--host",
    "hosts",
    type=HOST,
    multiple=True,
    help="A host to which links may lead; may be repeated. Without it no links are allowed.",
)
start_option = click.option("--start", type=Moment(), help="The time from which phones may use it.")
end_option = click.option("--end", type=Moment(), help="The time from which phones may not use it.")
rollout_option = click.option(
    "--rollout",
    type=Step(),
    multiple=True,
    help="The share of phones from a time on, such as 2026-12-01T06:00Z=10%. Once for each step.",
)
title_option = click.option(
    "--title",
    type=ChangelogText(),
    multiple=True,
    callback=collected,
    metavar="LOCALE=TEXT",
    help="The pack's title. May be repeated.",
)


def with_dates(
    members: Mapping[str, Any],
    start: int | None,
    end: int | None,
    rollout: Sequence[tuple[int, int]],
) -> dict[str, Any]:
    """Return the index entry of a pack with the dates that the options name."""
    changed = dict(members)
    if start is not None:
        changed["start"] = start
        if not rollout and len(changed.get("rollout", [])) <= 1:
            changed["rollout"] = [[start, 1000]]
    if end is not None:
        changed["end"] = end
    if rollout:
        changed["rollout"] = [list(step) for step in rollout]
    return changed
