"""`ceremony accept`, `submit` and `resubmit`: accept signed proposals and send them to a server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.core.content.invisible import escape_invisible
from server.place_options import place_option
from signer.cli.change import describe_versions
from signer.cli.output import Steps, json_option, print_json, print_review, progress_bar
from signer.cli.parameters import (
    EXISTING_FILE,
    FOLDER,
    PACKAGE,
    NumberAssignment,
    collected,
    expand_packages,
    read_limited,
)
from signer.cli.remote import Place, place_options, submit_bundles
from signer.cli.runtime import Runtime, open_keystore
from signer.errors import ProposalError

if TYPE_CHECKING:
    from server.core.proposal import Proposal
    from signer.proposal.propose import Proposed
    from signer.proposal.review import RoleReview
    from signer.proposal.signing import SignatureFile
    from signer.proposal.submission import Collected


def load_proposal_file(runtime: Runtime, path: Path, root: Path | None) -> Proposed:
    """Read and verify a proposal; with `root`, it must build on that root."""
    from server.core.proposal import MAX_PROPOSAL
    from signer.proposal.document import check_anchor, decode_proposal
    from signer.proposal.propose import load_proposal

    data = read_limited(path, MAX_PROPOSAL)
    try:
        decode_proposal(data)
    except ProposalError as error:
        raise ProposalError(f"{path.name} is not a proposal, or was changed: {error}") from error
    proposed = load_proposal(data, runtime.now)
    if root is not None:
        check_anchor(proposed.proposal, root.read_bytes())
    return proposed


def load_signature_file(path: Path, identity: str) -> SignatureFile:
    """Read a signature file for the proposal `identity`; an error names the file."""
    from signer.proposal.signing import MAX_SIGNATURES, decode_signatures

    try:
        file = decode_signatures(read_limited(path, MAX_SIGNATURES))
    except ProposalError as error:
        raise ProposalError(f"{path.name}: {error}") from error
    if file.proposal != identity:
        raise ProposalError(
            f"{path.name} is for the proposal {file.proposal[:16]} and not for {identity[:16]}; ask"
            " its holder to sign this one."
        )
    return file


def choose_names(proposal: Proposal, keys: Path | None) -> dict[str, str]:
    """Return the names of keys: the reader's own, or the proposer's with a question mark."""
    own = [] if keys is None else open_keystore(keys).load_public_keys()
    claimed = {keyid: f"{name}?" for keyid, name in proposal.names.items()}
    return {**claimed, **{key.keyid: key.label for key in own}}


def print_proposal(proposed: Proposed, reviews: Sequence[RoleReview]) -> None:
    """Print a proposal's id, note and review."""
    click.echo(f"Proposal {proposed.identity}")
    if proposed.proposal.note:
        click.echo(f"Note: {escape_invisible(proposed.proposal.note)}")
    if not proposed.proposal.context:
        click.echo("It begins a new repository.")
    print_review(reviews)
    if any("?" in review.signatures for review in reviews):
        click.echo("Names with a question mark are the proposer's; --keys shows your own.")


@click.command(
    epilog="Example: hening-signer ceremony accept --repo repo proposal.json bob.sig carol.sig"
)
@click.argument("path", metavar="PROPOSAL", type=EXISTING_FILE)
@click.argument("signed", metavar="SIGNATURES...", type=EXISTING_FILE, nargs=-1, required=True)
@place_option("repo", type=FOLDER, help="The working folder.")
@json_option
@click.pass_obj
def accept(
    runtime: Runtime, path: Path, signed: tuple[Path, ...], repo: Path, as_json: bool
) -> None:
    """Accept a proposal that has all the signatures it needs: all of its versions, or none."""
    from signer.proposal.accept import accept_signatures
    from signer.work_folder import WorkFolder

    steps = Steps(runtime.monotonic)
    with steps.step("accepting"):
        proposed = load_proposal_file(runtime, path, None)
        files = [load_signature_file(file, proposed.identity) for file in signed]
        accepted = accept_signatures(WorkFolder(repo), proposed, files)
    if as_json:
        versions = [{"role": role, "version": version} for role, version in accepted]
        print_json({"proposal": proposed.identity, "roles": versions, "seconds": steps.seconds})
        return
    for role, version in accepted:
        click.echo(f"Accepted {role} {version}.")
    present = WorkFolder(repo).load_versions()
    if overtaken := [role for role, version in accepted if present[role][-1] > version]:
        role = overtaken[0]
        click.echo(f"It was accepted earlier; {repo} has {role} {present[role][-1]} by now.")
    else:
        click.echo("Next: `ceremony submit` submits them to a server.")
    steps.print()


@click.command(
    epilog="Example: hening-signer ceremony submit --repo repo --out incoming proposal.json"
    " --package armani-id-2-full.zip"
)
@click.argument("paths", metavar="PROPOSAL...", type=EXISTING_FILE, nargs=-1, required=True)
@place_option("repo", type=FOLDER, help="The working folder.")
@click.option(
    "--package",
    "packages",
    type=PACKAGE,
    multiple=True,
    metavar="FILE",
    callback=expand_packages,
    help="A package that the proposal lists, or a folder of them; may be repeated.",
)
@place_options
@json_option
@click.pass_obj
def submit(
    runtime: Runtime,
    paths: tuple[Path, ...],
    repo: Path,
    out: Path | None,
    place: Place | None,
    packages: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Submit accepted proposals to the server in one bundle, with the packages that they list.

    Safe to repeat. With --to the bundle goes over the server's API, and only packages that it lacks
    are sent.
    """
    from server.core.proposal import MAX_PROPOSAL
    from signer.proposal.document import decode_proposal
    from signer.proposal.submission import collect_proposals
    from signer.work_folder import WorkFolder

    proposals = [decode_proposal(read_limited(path, MAX_PROPOSAL)) for path in paths]
    contents = collect_proposals(WorkFolder(repo), proposals, packages)
    _submit(runtime, contents, out, place, "Submitted", as_json=as_json)


@click.command(
    epilog="Example: hening-signer ceremony resubmit armani=3 --repo repo --out incoming"
    " --package armani-id-2-full.zip"
)
@click.argument(
    "since",
    metavar="ROLE=N...",
    type=NumberAssignment(10**6),
    nargs=-1,
    required=True,
    callback=collected,
)
@place_option("repo", type=FOLDER, help="The working folder.")
@click.option(
    "--package",
    "packages",
    type=PACKAGE,
    multiple=True,
    metavar="FILE",
    callback=expand_packages,
    help="A package that one of the versions adds, or a folder of them; may be repeated.",
)
@place_options
@json_option
@click.pass_obj
def resubmit(
    runtime: Runtime,
    since: dict[str, int],
    repo: Path,
    out: Path | None,
    place: Place | None,
    packages: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Submit versions that a server never received: each ROLE from version N to the newest one.

    A server accepts versions only in order. If a bundle was lost or refused, and later versions
    were signed meanwhile, this submits all of them in one bundle.
    """
    from signer.proposal.submission import collect_versions
    from signer.work_folder import WorkFolder

    contents = collect_versions(WorkFolder(repo), since, packages)
    _submit(runtime, contents, out, place, "Submitted everything up to", as_json=as_json)


def _submit(
    runtime: Runtime,
    collected: Collected,
    out: Path | None,
    place: Place | None,
    verb: str,
    *,
    as_json: bool,
) -> None:
    """Submit the contents of a bundle to the folder `out` or the server at `place`."""
    from signer.proposal.submission import submit as submit_collected
    from signer.remote.submitter import make_outgoing

    if place is not None:
        submit_bundles(runtime, place, [make_outgoing(*collected)], as_json=as_json)
        return
    assert out is not None
    with progress_bar("Copying packages") as progress:
        submitted = submit_collected(collected, out, progress)
    if as_json:
        print_json({"bundle": submitted.bundle, "versions": dict(submitted.versions)})
        return
    versions = describe_versions(submitted.versions)
    click.echo(f"{verb} {versions}; bundle {submitted.bundle} is in {out}.")
