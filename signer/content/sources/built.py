"""What a builder hands over."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from signer.content.sources.completeness import Completeness
from signer.content.sources.left_out import LeftOut


@dataclass(frozen=True, slots=True)
class Built:
    """The entries of a kind, where they come from, and what a person should know of it.

    `entries` and `sources` are as FORMATS 15 says; `pictures` maps names of wallpapers to JPEGs;
    `left_out` is what the source has and the pack has not, `notes` are sentences about the rest;
    `completeness` says which texts are in which languages, where the kind has texts.
    """

    entries: dict[str, object]
    sources: list[dict[str, str]]
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    left_out: LeftOut = field(default_factory=LeftOut)
    completeness: Completeness | None = None


def name_source(name: str, version: str, licence: str) -> dict[str, str]:
    """Return an element of a pack's `sources`; `licence` is an SPDX expression."""
    return {"licence": licence, "name": name, "version": version}
