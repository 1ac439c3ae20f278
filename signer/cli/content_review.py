"""`content review`: a proposal's packs, entry by entry, for the holder who signs it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hening.times import UTC_TIMES
from server.core.content.invisible import escape_invisible
from server.core.quantities import spell_size
from signer.cli.content_options import PACK
from signer.cli.output import json_option, print_json
from signer.cli.parameters import EXISTING_FILE
from signer.cli.proposal_submit import load_proposal_file
from signer.cli.runtime import Runtime

if TYPE_CHECKING:
    from signer.content.pack_folder import PackDifference
    from signer.content.wording import Words

SHOWN = 40
"""Entries of each kind that `diff` shows unless all are requested."""

_SORTS = ("added", "changed", "removed")


def print_difference(difference: PackDifference, *, limit: int | None) -> None:
    """Print the differences; at most `limit` added, changed and removed entries, None for all."""
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
    click.echo(f"Parts that phones fetch again: {parts}; {spell_size(difference.size)}.")


def difference_json(difference: PackDifference) -> dict[str, Any]:
    """Return the differences of two packs as JSON; `entries` has values by key and member."""
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
        "octets": difference.size,
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


@click.command(
    epilog="Example: hening-signer content review tables.json packs/apn-2 --before packs/apn-1"
)
@click.argument("path", metavar="PROPOSAL", type=EXISTING_FILE)
@click.argument("folders", metavar="DIR...", type=PACK, nargs=-1, required=True)
@click.option(
    "--before",
    "earlier",
    type=PACK,
    multiple=True,
    help="The folder of a pack that is replaced; may be repeated.",
)
@UTC_TIMES
@json_option
@click.pass_obj
def review(
    runtime: Runtime,
    path: Path,
    folders: tuple[Path, ...],
    earlier: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Compare pack folders with a proposal, and list the entries it adds, changes and removes.

    Entries are shown with their values before and after. Without --before, the folder of the
    replaced pack, all entries of a pack are shown. Refuses a folder that differs in any byte from
    the pack that the proposal lists, and a --before folder that differs from the replaced pack.
    """
    from server.core.content.index import decode_index
    from signer.content.pack_folder import diff_packs, load_pack
    from signer.content.plan import check_is_proposed, find_replaced
    from signer.content.validate import check_packs_to_sign

    proposed = load_proposal_file(runtime, path, None)
    packs = [load_pack(folder) for folder in folders]
    for pack in packs:
        check_is_proposed(proposed.transition, pack)
        index = decode_index(pack.role, proposed.transition.after.roles[pack.role])
        check_packs_to_sign([pack], index.hosts)
    replaced = find_replaced(proposed.transition, [load_pack(folder) for folder in earlier])
    differences = [diff_packs(replaced.get(pack.kind), pack) for pack in packs]
    if as_json:
        print_json(
            {
                "differences": [difference_json(each) for each in differences],
                "packs": [
                    {"entries": len(p.entries), "kind": p.kind, "version": p.pack.version}
                    for p in packs
                ],
            }
        )
        return
    for pack in packs:
        click.echo(
            f"{pack.kind} {pack.pack.version} is the pack that the proposal lists, and keeps every"
            f" rule; it has {len(pack.entries)} entries."
        )
        if pack.kind not in replaced:
            click.echo(
                f"All entries of {pack.kind} {pack.pack.version} are shown: give the pack that it"
                " replaces, if there is one, with --before."
            )
    for difference in differences:
        print_difference(difference, limit=None)
