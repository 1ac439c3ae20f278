"""Proposals and signature files as commands read and show them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.core.content.invisible import escape_invisible
from signer.cli.keystores import open_keystore
from signer.cli.review_output import print_review
from signer.cli.surroundings import Surroundings
from signer.errors import ProposalError

if TYPE_CHECKING:
    from signer.proposal.document import Proposal
    from signer.proposal.propose import Proposed
    from signer.proposal.review import RoleReview
    from signer.proposal.signing import SignatureFile


def load_proposal_file(surroundings: Surroundings, path: Path, root: Path | None) -> Proposed:
    """Read and judge a proposal; with `root`, it must build on that one."""
    from signer.proposal.document import MAX_PROPOSAL, check_anchor, decode_proposal
    from signer.proposal.propose import load_proposal

    octets = read_limited(path, MAX_PROPOSAL)
    try:
        decode_proposal(octets)
    except ProposalError as error:
        raise ProposalError(f"{path.name} is no proposal, or was changed: {error}") from error
    proposed = load_proposal(octets, surroundings.now)
    if root is not None:
        check_anchor(proposed.proposal, root.read_bytes())
    return proposed


def load_signature_file(path: Path, identity: str) -> SignatureFile:
    """Read a signature file for the proposal `identity`; an error says which file it is."""
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


def read_limited(path: Path, limit: int) -> bytes:
    """Return the octets of a file, one more than `limit` at most, so that more is refused."""
    with path.open("rb") as file:
        return file.read(limit + 1)


def choose_names(proposal: Proposal, keys: Path | None) -> dict[str, str]:
    """Return what to call the keys: as the reader's own folder does, else with a question mark."""
    own = [] if keys is None else open_keystore(keys).load_public_keys()
    claimed = {keyid: f"{name}?" for keyid, name in proposal.names.items()}
    return {**claimed, **{key.keyid: key.label for key in own}}


def print_proposal(proposed: Proposed, reviews: Sequence[RoleReview]) -> None:
    """Print what a proposal means, for people."""
    click.echo(f"Proposal {proposed.identity}")
    if proposed.proposal.note:
        click.echo(f"Note: {escape_invisible(proposed.proposal.note)}")
    if not proposed.proposal.context:
        click.echo("It begins a new repository.")
    print_review(reviews)
    if any("?" in review.signatures for review in reviews):
        click.echo("Names with a question mark are the proposer's; --keys shows your own.")
