"""`content review`: a proposal's packs, entry by entry, for whoever is asked to sign it."""

from pathlib import Path

import click

from hening.times import UTC_TIMES
from signer.cli.content_difference import difference_json, print_difference
from signer.cli.content_options import PACK
from signer.cli.failures import json_option
from signer.cli.output import print_json
from signer.cli.parameters import EXISTING_FILE
from signer.cli.proposal_files import load_proposal_file
from signer.cli.surroundings import Surroundings


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
    help="A pack that is replaced; may be repeated.",
)
@UTC_TIMES
@json_option
@click.pass_obj
def review(
    surroundings: Surroundings,
    path: Path,
    folders: tuple[Path, ...],
    earlier: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Hold pack folders against a proposal, and say which entries it adds, changes and removes.

    Every entry is shown with its values before and after; without the folder of the pack before it,
    given with --before, all of a pack's entries. Refuses a folder that is not, octet by octet, what
    the proposal lists, and one with --before that is not what the proposal replaces.
    """
    from server.core.content.index import decode_index
    from signer.content.diff import diff_packs
    from signer.content.pack_folder import load_pack
    from signer.content.plan import check_is_proposed, find_replaced
    from signer.content.validate import check_packs_to_sign

    proposed = load_proposal_file(surroundings, path, None)
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
            f"{pack.kind} {pack.pack.version} is what the proposal lists, and keeps every rule;"
            f" it has {len(pack.entries)} entries."
        )
        if pack.kind not in replaced:
            click.echo(
                f"All entries of {pack.kind} {pack.pack.version} are shown: give the pack that it"
                " replaces, if there is one, with --before."
            )
    for difference in differences:
        print_difference(difference, limit=None)
