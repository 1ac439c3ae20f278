"""What differs between two packs, for people and for machines: each entry with its values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from server.core.content.invisible import escape_invisible
from server.core.quantities import spell_size

if TYPE_CHECKING:
    from signer.content.diff import PackDifference
    from signer.content.wording import Words

SHOWN = 40
"""Entries of each sort that `diff` shows unless all are asked for."""

_SORTS = ("added", "changed", "removed")


def print_difference(difference: PackDifference, *, limit: int | None) -> None:
    """Print what differs, line by line; at most `limit` entries of each sort, None for all."""
    from signer.content.wording import compare_entries

    click.echo(f"{difference}")
    for sort in _SORTS:
        keys: tuple[str, ...] = getattr(difference, sort)
        for key in keys[:limit]:
            click.echo(f"{sort} {escape_invisible(key)}")
            _print_words(_words_of(difference, key))
        if limit is not None and len(keys) > limit:
            click.echo(f"and {len(keys) - limit} more {sort}, which --all shows")
    if difference.members:
        click.echo(f"{difference.kind}: what the index says")
    for name, (before, after) in difference.members.items():
        old, new = ({} if each is None else {name: each} for each in (before, after))
        _print_words(compare_entries("", old, new))
    parts = " ".join(f"{number:02}" for number in difference.parts) or "none"
    click.echo(f"Parts that phones fetch anew: {parts}; {spell_size(difference.octets)}.")


def difference_json(difference: PackDifference) -> dict[str, Any]:
    """Return what differs between two packs as JSON; `entries` has values by key and member."""
    return {
        **{sort: list(getattr(difference, sort)) for sort in _SORTS},
        "entries": {
            key: {
                "after": difference.after.get(key),
                "before": difference.before.get(key),
                "members": {name: list(pair) for name, *pair in _words_of(difference, key)},
            }
            for sort in _SORTS
            for key in getattr(difference, sort)
        },
        "kind": difference.kind,
        "members": {name: list(pair) for name, pair in difference.members.items()},
        "octets": difference.octets,
        "parts": list(difference.parts),
    }


def _words_of(difference: PackDifference, key: str) -> list[Words]:
    from signer.content.wording import compare_entries

    return compare_entries(difference.kind, difference.before.get(key), difference.after.get(key))


def _print_words(words: Iterable[Words]) -> None:
    from signer.proposal.role_review import quote

    for name, before, after in words:
        for sign, value in (("-", before), ("+", after)):
            if value is not None:
                click.echo(f"  {sign} {escape_invisible(name)}: {quote(value)}")
