"""`ceremony review`, `sign`, `accept` and `submit`: a proposal on its way round the key holders."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from signer.cli.change import NEW_FILE
from signer.cli.failures import json_option
from signer.cli.keystores import open_keystore
from signer.cli.output import print_json, progress_bar
from signer.cli.parameters import EXISTING_FILE, FOLDER, KEY_NAME
from signer.cli.passphrases import Passphrases, passphrase_option
from signer.cli.review_output import print_review, print_tallies, review_json, tally_json
from signer.cli.steps import Steps
from signer.cli.surroundings import Surroundings
from signer.durable import write_replacing
from signer.errors import ProposalError
from signer.proposal.acceptance import collect_signatures, tally_signatures
from signer.proposal.desk import Proposed, accept_signatures, load_proposal, submit_proposals
from signer.proposal.document import MAX_PROPOSAL, Proposal, decode_proposal
from signer.proposal.review import RoleReview, review_transition
from signer.proposal.signatures import (
    MAX_SIGNATURES,
    SignatureFile,
    decode_signatures,
    encode_signatures,
)
from signer.proposal.signing import find_holdings, sign_proposal
from signer.proposal.trust import check_anchor
from signer.work_folder import WorkFolder

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
@click.option("--keys", type=FOLDER, help="A key folder whose names you know the keys by.")
@json_option
@click.pass_obj
def review(
    surroundings: Surroundings,
    path: Path,
    signed: tuple[Path, ...],
    root: Path | None,
    keys: Path | None,
    as_json: bool,
) -> None:
    """Say in words what a proposal changes, and how far its signatures are.

    Everything needed is in the file: no network, no working folder.
    """
    proposed = _load(surroundings, path, root)
    names = _choose_names(proposed.proposal, keys)
    reviews = review_transition(proposed.transition, names, surroundings.now)
    files = [_load_signatures(file) for file in signed]
    tallies = tally_signatures(
        proposed.transition, collect_signatures(proposed.transition, proposed.identity, files)
    )
    if as_json:
        print_json(
            {
                "note": proposed.proposal.note,
                "proposal": proposed.identity,
                "roles": [review_json(each) for each in reviews],
                "signatures": [tally_json(tally) for tally in tallies],
            }
        )
        return
    _print_proposal(proposed, reviews, pinned=root is not None)
    print_tallies(tallies, names)


@click.command(
    epilog="Example: hening-signer ceremony sign --keys keys --root 1.root.json --out bob.sig"
    " proposal.json"
)
@click.argument("path", metavar="PROPOSAL", type=EXISTING_FILE)
@click.option("--keys", type=FOLDER, required=True, help="The folder of your keys.")
@click.option(
    "--key",
    "chosen",
    type=KEY_NAME,
    multiple=True,
    help="Sign with this key only; may be repeated.",
)
@root_option
@click.option(
    "--out", type=NEW_FILE, required=True, metavar="FILE", help="The signature file to write."
)
@click.option("--yes", is_flag=True, help="Do not ask whether to sign.")
@passphrase_option
@json_option
@click.pass_obj
def sign(
    surroundings: Surroundings,
    path: Path,
    keys: Path,
    chosen: tuple[str, ...],
    root: Path | None,
    out: Path,
    yes: bool,
    passphrase_fd: int | None,
    as_json: bool,
) -> None:
    """Sign a proposal with every key of yours that may, after a look at what it changes.

    Writes a small file that goes back to whoever proposed. The proposal stays as it is.
    """
    steps = Steps(surroundings.monotonic)
    with steps.step("judging"):
        proposed = _load(surroundings, path, root)
        keystore = open_keystore(keys)
        holdings = find_holdings(proposed.transition, keystore, chosen)
    shown = _choose_names(proposed.proposal, keys)
    reviews = review_transition(proposed.transition, shown, surroundings.now)
    if not as_json:
        _print_proposal(proposed, reviews, pinned=root is not None)
    names = ", ".join(holding.key.name for holding in holdings)
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("There is no terminal to ask on; read the review, give --yes.")
        click.confirm(f"Sign with {names}?", abort=True, err=True)
    with steps.step("signing"):
        file = sign_proposal(
            proposed.transition,
            proposed.identity,
            keystore,
            holdings,
            Passphrases(passphrase_fd, surroundings.environment),
        )
        write_replacing(out, encode_signatures(file))
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
    click.echo(f"Signed with {names}; send {out} back. It is no secret.")
    steps.print()


@click.command(
    epilog="Example: hening-signer ceremony accept --repo repo proposal.json bob.sig carol.sig"
)
@click.argument("path", metavar="PROPOSAL", type=EXISTING_FILE)
@click.argument("signed", metavar="SIGNATURES...", type=EXISTING_FILE, nargs=-1, required=True)
@click.option("--repo", type=FOLDER, required=True, help="The working folder.")
@json_option
@click.pass_obj
def accept(
    surroundings: Surroundings, path: Path, signed: tuple[Path, ...], repo: Path, as_json: bool
) -> None:
    """Take a proposal over once it has the signatures that it needs; all of it, or nothing."""
    steps = Steps(surroundings.monotonic)
    with steps.step("accepting"):
        proposed = _load(surroundings, path, None)
        files = [_load_signatures(file) for file in signed]
        accepted = accept_signatures(WorkFolder(repo), proposed, files)
    if as_json:
        versions = [{"role": role, "version": version} for role, version in accepted]
        print_json({"proposal": proposed.identity, "roles": versions, "seconds": steps.seconds})
        return
    for role, version in accepted:
        click.echo(f"Accepted {role} {version}.")
    click.echo("Next: `ceremony submit` hands them to a server.")
    steps.print()


@click.command(
    epilog="Example: hening-signer ceremony submit --repo repo --out incoming proposal.json"
    " --package armani-id-2-full.zip"
)
@click.argument("paths", metavar="PROPOSAL...", type=EXISTING_FILE, nargs=-1, required=True)
@click.option("--repo", type=FOLDER, required=True, help="The working folder.")
@click.option("--out", type=FOLDER, required=True, help="The server's `incoming` folder.")
@click.option(
    "--package",
    "packages",
    type=EXISTING_FILE,
    multiple=True,
    metavar="ZIP",
    help="A package that the proposal lists; may be repeated.",
)
@json_option
def submit(
    paths: tuple[Path, ...], repo: Path, out: Path, packages: tuple[Path, ...], as_json: bool
) -> None:
    """Hand accepted proposals to the server in one bundle, with the packages that they list.

    Safe to repeat.
    """
    proposals = [decode_proposal(_read(path, MAX_PROPOSAL)) for path in paths]
    with progress_bar("Copying packages") as progress:
        submitted = submit_proposals(WorkFolder(repo), proposals, packages, out, progress)
    if as_json:
        print_json({"bundle": submitted.bundle, "versions": dict(submitted.versions)})
        return
    handed = ", ".join(f"{role} {version}" for role, version in submitted.versions.items())
    click.echo(f"Submitted {handed}; bundle {submitted.bundle} is in {out}.")


def _load(surroundings: Surroundings, path: Path, root: Path | None) -> Proposed:
    proposed = load_proposal(_read(path, MAX_PROPOSAL), surroundings.now)
    if root is not None:
        check_anchor(proposed.proposal, root.read_bytes())
    return proposed


def _load_signatures(path: Path) -> SignatureFile:
    try:
        return decode_signatures(_read(path, MAX_SIGNATURES))
    except ProposalError as error:
        raise ProposalError(f"{path.name}: {error}") from error


def _read(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return file.read(limit + 1)


def _choose_names(proposal: Proposal, keys: Path | None) -> dict[str, str]:
    """Return what to call the keys: as the reader's own folder does, else with a question mark."""
    own = [] if keys is None else open_keystore(keys).load_public_keys()
    claimed = {keyid: f"{name}?" for keyid, name in proposal.names.items()}
    return {**claimed, **{key.keyid: key.label for key in own}}


def _print_proposal(proposed: Proposed, reviews: Sequence[RoleReview], *, pinned: bool) -> None:
    click.echo(f"Proposal {proposed.identity}")
    if proposed.proposal.note:
        click.echo(f"Note: {proposed.proposal.note}")
    if not pinned and proposed.proposal.context:
        click.echo("The root was not compared with one that you trust; --root does that.")
    print_review(reviews)
    if any("?" in review.signatures for review in reviews):
        click.echo("Names with a question mark are the proposer's; --keys shows your own.")
