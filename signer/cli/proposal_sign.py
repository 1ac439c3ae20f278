"""`ceremony review` and `ceremony sign`: a key holder reads and signs a proposal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hening.times import UTC_TIMES
from server.place_options import place_option
from signer.cli.change import NEW_FILE
from signer.cli.output import Steps, json_option, print_json, print_tallies, review_json, tally_json
from signer.cli.parameters import (
    EXISTING_FILE,
    FOLDER,
    KEY_NAME,
)
from signer.cli.passphrases import Passphrases, passphrase_option
from signer.cli.proposal_submit import (
    choose_names,
    load_proposal_file,
    load_signature_file,
    print_proposal,
)
from signer.cli.runtime import Runtime, open_keystore
from signer.durable import write_once
from signer.errors import ProposalError

if TYPE_CHECKING:
    from server.core.proposal import Proposal
    from signer.proposal.signing import HolderRecord

root_option = click.option(
    "--root",
    type=EXISTING_FILE,
    metavar="ROOT.json",
    help="A root that you trust; the proposal must build on it.",
)


@click.command(
    epilog="Example: hening-signer ceremony review --root 1.root.json proposal.json bob.sig"
)
@click.argument("path", metavar="PROPOSAL", type=EXISTING_FILE)
@click.argument("signed", metavar="[SIGNATURES]...", type=EXISTING_FILE, nargs=-1)
@root_option
@place_option("keys", type=FOLDER, required=False, help="A key folder, to call keys by name.")
@UTC_TIMES
@json_option
@click.pass_obj
def review(
    runtime: Runtime,
    path: Path,
    signed: tuple[Path, ...],
    root: Path | None,
    keys: Path | None,
    as_json: bool,
) -> None:
    """Print what a proposal changes, and which signatures it has.

    The file has everything that is needed: no network or working folder is used.
    """
    from signer.proposal.accept import collect_signatures, tally_signatures
    from signer.proposal.review import review_transition

    proposed = load_proposal_file(runtime, path, root)
    names = choose_names(proposed.proposal, keys)
    reviews = review_transition(proposed.transition, names, runtime.now)
    files = [load_signature_file(file, proposed.identity) for file in signed]
    tallies = tally_signatures(
        proposed.transition, collect_signatures(proposed.transition, proposed.identity, files)
    )
    if as_json:
        print_json(
            {
                "note": proposed.proposal.note,
                "root_compared": root is not None,
                "proposal": proposed.identity,
                "roles": [review_json(each) for each in reviews],
                "signatures": [tally_json(tally) for tally in tallies],
            }
        )
        return
    if root is None and proposed.proposal.context:
        click.echo("The root was not compared with one that you trust; --root does that.")
    print_proposal(proposed, reviews)
    print_tallies(tallies, names)


@click.command(
    epilog="Example: hening-signer ceremony sign --keys keys --root 1.root.json --out bob.sig"
    " proposal.json"
)
@click.argument("path", metavar="PROPOSAL", type=EXISTING_FILE)
@place_option("keys", type=FOLDER, help="The folder of your keys.")
@click.option(
    "--key",
    "chosen",
    type=KEY_NAME,
    multiple=True,
    help="Sign with this key only; may be repeated.",
)
@root_option
@click.option(
    "--again",
    is_flag=True,
    help="Sign although you signed another proposal for the same versions, which was dropped.",
)
@click.option(
    "--out", type=NEW_FILE, required=True, metavar="FILE", help="The signature file to write."
)
@click.option("--yes", is_flag=True, help="Do not ask whether to sign.")
@passphrase_option
@UTC_TIMES
@json_option
@click.pass_obj
def sign(
    runtime: Runtime,
    path: Path,
    keys: Path,
    chosen: tuple[str, ...],
    root: Path | None,
    again: bool,
    out: Path,
    yes: bool,
    passphrase_fd: int | None,
    as_json: bool,
) -> None:
    """Review a proposal, and sign it with all of your keys that may sign it.

    Writes a small file for the proposer; the proposal is not changed. The key folder remembers the
    root that you trust, from the first time on, and the versions that you have signed.
    """
    from signer.proposal.review import review_transition
    from signer.proposal.signing import (
        HolderRecord,
        encode_signatures,
        find_holdings,
        list_versions,
        sign_proposal,
    )

    if as_json and not yes:
        raise click.UsageError(
            "--json shows no review; run `ceremony review` first, then give --yes."
        )
    steps = Steps(runtime.monotonic)
    record = HolderRecord(keys)
    with steps.step("judging"):
        proposed = load_proposal_file(runtime, path, root)
        anchor = _check_past(proposed.proposal, record, root, again=again)
        keystore = open_keystore(keys)
        holdings = find_holdings(proposed.transition, keystore, chosen)
    shown = choose_names(proposed.proposal, keys)
    reviews = review_transition(proposed.transition, shown, runtime.now)
    if not as_json:
        print_proposal(proposed, reviews)
    names = ", ".join(holding.key.name for holding in holdings)
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("There is no terminal to ask on; read the review, give --yes.")
        if not click.confirm(f"Sign with {names}?", err=True):
            raise ProposalError("Nothing was signed.")
    with steps.step("signing"):
        file = sign_proposal(
            proposed.transition,
            proposed.identity,
            keystore,
            holdings,
            Passphrases(passphrase_fd, runtime.environment),
        )
        # Recorded before the signatures are written: after a crash no released signature is
        # forgotten.
        record.note_signed(list_versions(proposed.proposal))
        record.pin_root(anchor)
        write_once(out, encode_signatures(file))
    if as_json:
        print_json(
            {
                "keys": [
                    {"name": holding.key.name, "roles": list(holding.roles)} for holding in holdings
                ],
                "proposal": proposed.identity,
                "seconds": steps.seconds,
            }
        )
        return
    click.echo(f"Signed with {names}; send {out} to the proposer. It is not secret.")
    steps.print()


def _check_past(
    proposal: Proposal, record: HolderRecord, root: Path | None, *, again: bool
) -> bytes:
    """Return the root to trust; raises ProposalError if the holder's record contradicts it."""
    from signer.proposal.document import check_anchor
    from signer.proposal.signing import check_record, list_versions

    pinned = record.load_root()
    if not proposal.context and pinned is not None and not again:
        raise ProposalError(
            f"The keys in {record.folder} sign for a repository already, and this proposal begins"
            " another one; use new keys for it, or give --again if the first was dropped."
        )
    if not again:
        check_record(list_versions(proposal), record.load_signed())
    if not proposal.context:
        return next(file.data for file in proposal.changes if file.role == "root")
    if pinned is not None:
        check_anchor(proposal, pinned)
        return pinned
    if root is None:
        raise click.UsageError(
            "Give --root ROOT.json, a root of this repository that you trust; the key folder"
            " remembers it."
        )
    return root.read_bytes()
