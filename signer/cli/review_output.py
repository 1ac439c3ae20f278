"""Prints what a proposal means: one block for each role, or a table for many roles."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from server.core.content.invisible import escape_invisible
from server.tables import print_table

if TYPE_CHECKING:
    from signer.proposal.accept import Tally
    from signer.proposal.review import RoleReview

MANY = 12


def print_review(reviews: Sequence[RoleReview]) -> None:
    """Print each role with its changes and warnings; among many, a renewal is one row."""
    renewed = [review for review in reviews if _is_renewal(review)]
    shown = [review for review in reviews if len(reviews) <= MANY or review not in renewed]
    for review in shown:
        _print_role(review)
    if len(reviews) > MANY and renewed:
        print_table(
            "Roles of which nothing but the expiry changes",
            ("role", "signatures", "expires"),
            [(f"{r.role} {r.version}", r.signatures, f"{r.expires:%Y-%m-%d}") for r in renewed],
        )


def review_json(review: RoleReview) -> dict[str, Any]:
    """Return a review for machines."""
    return {
        "changes": list(review.changes),
        "expires": f"{review.expires:%Y-%m-%dT%H:%M:%SZ}",
        "replaces": review.replaces,
        "role": review.role,
        "signatures": review.signatures,
        "version": review.version,
        "warnings": list(review.warnings),
    }


def print_tallies(tallies: Sequence[Tally], names: dict[str, str]) -> None:
    """Print how many signatures each role has and which holders can still sign."""
    print_table(
        "Signatures",
        ("role", "has", "signed by", "can still sign"),
        [
            (
                f"{tally.role}{f', {tally.judge}' if tally.judge else ''}",
                f"{len(tally.signed)} of {tally.threshold}",
                ", ".join(sorted(names.get(key, key[:16]) for key in tally.signed)),
                ", ".join(sorted(names.get(key, key[:16]) for key in tally.waiting)),
            )
            for tally in tallies
        ],
    )


def tally_json(tally: Tally) -> dict[str, Any]:
    """Return a tally for machines."""
    return {
        "judge": tally.judge,
        "role": tally.role,
        "signed": list(tally.signed),
        "threshold": tally.threshold,
        "waiting": list(tally.waiting),
    }


def _print_role(review: RoleReview) -> None:
    was = f"replaces {review.role} {review.replaces}" if review.replaces else "is new"
    _say(f"{review.role} {review.version} {was}, expires on {review.expires:%Y-%m-%d}.")
    _say(f"To be signed by {review.signatures}.", indent="  ")
    for sentence in review.changes:
        _say(sentence, indent="  ")
    for sentence in review.warnings:
        _say(f"Mind: {sentence}", indent="  ")


def _say(sentence: str, *, indent: str = "") -> None:
    """Print a sentence; on a terminal it is wrapped between words."""
    sentence = escape_invisible(sentence)
    if sys.stdout.isatty():
        sentence = textwrap.fill(
            sentence,
            shutil.get_terminal_size().columns,
            initial_indent=indent,
            subsequent_indent=f"{indent}    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        click.echo(sentence)
    else:
        click.echo(f"{indent}{sentence}")


def _is_renewal(review: RoleReview) -> bool:
    from signer.proposal.review import RENEWAL

    return bool(review.replaces) and review.changes == (RENEWAL,) and not review.warnings
