"""The result of a builder, and the parts of the source that it left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from signer.content.sources.translations import Completeness


class LeftOut:
    """The parts of a source that were left out, counted by reason and name.

    A name is the part's place in the source, or its name there.
    """

    def __init__(self) -> None:
        self._found: dict[str, Counter[str]] = {}

    def add(self, reason: str, name: str, count: int = 1) -> None:
        """Record that something was left out; entries with the same `reason` are grouped."""
        self._found.setdefault(reason, Counter())[name] += count

    def to_json(self) -> list[dict[str, object]]:
        """Return an object for each reason, in order: its total, and its names with counts."""
        return [
            {"count": names.total(), "names": dict(sorted(names.items())), "reason": reason}
            for reason, names in sorted(self._found.items())
        ]

    def to_lines(self, limit: int) -> list[str]:
        """Return a sentence for each reason, with at most `limit` names."""
        lines = []
        for reason, names in sorted(self._found.items()):
            shown = [
                name if count == 1 else f"{name} ({count})" for name, count in sorted(names.items())
            ]
            more = (
                f"; and {len(shown) - limit} more, which --json has" if len(shown) > limit else ""
            )
            lines.append(f"Left out ({names.total()}): {reason}: {'; '.join(shown[:limit])}{more}")
        return lines


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The entries of a kind, their sources, and remarks for a person.

    `entries` and `sources` are as FORMATS 15 says; `pictures` maps names of wallpapers to JPEGs.
    `left_out` has the parts of the source that the pack lacks; `notes` are sentences about other
    facts. `completeness` counts the texts in each language, for kinds with texts.
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
