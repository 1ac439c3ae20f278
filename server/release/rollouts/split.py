"""Splitting `latest`: what it saves a phone and what it reveals, measured on public data.

The cost is in bytes of the gzip form, which is what phones fetch.
"""

import gzip
import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from server.core.latest import list_parts, plan_split, pointer_role
from server.core.metadata import metadata_limit
from server.core.names import decode_pointer_path, is_latest, metadata_name
from server.publisher.published import Published, load_published
from server.release.errors import NotFoundError
from server.release.rollouts.signed import Proposed, SignedEdit, propose
from server.storage.bounded import read_bounded

Documents = Mapping[str, Mapping[str, Any]]
"""Public role files, decoded from JSON, by role."""


class Split(SignedEdit, frozen=True, kw_only=True, tag="split"):
    """Split latest into parts, of which a phone fetches the one with its channel."""

    parts: Literal[4, 16]


@dataclass(frozen=True, slots=True)
class Part:
    """The content of one role: number of pointers, their models, bytes of its gzip form."""

    pointers: int
    codenames: frozenset[str]
    size: int


@dataclass(frozen=True, slots=True)
class Price:
    """What phones fetch when one of their pointers changed: before and after the split."""

    before: tuple[Part, ...]
    after: tuple[Part, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """The cost in words."""
        pointers = sum(part.pointers for part in self.before)
        models = frozenset[str]().union(*(part.codenames for part in self.before))
        least = min(self.after, key=lambda part: part.pointers)
        now = (
            f"latest has {pointers:,} pointers of {len(models):,} models; a phone fetches"
            f" {_data(self.before)} whenever one of {_whose(self.before)} changes."
        )
        then = (
            f"In {len(self.after)} parts it fetches {_data(self.after)}, whenever a pointer of"
            " its own part changes."
        )
        shown = (
            "An observer of its connection then sees which part that is. Until now a poll after a"
            f" change is the same for {_name_phones(self.before)}, afterwards only for the phones"
            f" of its part: the smallest has {least.pointers:,} channels of"
            f" {len(least.codenames):,} models. A poll that finds nothing new stays the same for"
            " all."
        )
        return now, then, shown, "It cannot be taken back: no published role is ever dropped."


def propose_split(command: Split, public: Path, now: datetime) -> Proposed:
    """Return the proposal that splits latest, with its cost as remarks.

    Raises NotFoundError where nothing is public, ReleaseError where it has this split already.
    """
    published = load_published(public)
    if published is None:
        raise NotFoundError("nothing is published yet, so there is nothing to split.")
    planned = plan_split(published.targets, command.parts, command.expiry(now))
    price = plan_price(_load(public, published), command.parts)
    return propose("targets", published, planned, public, now, command.note, price.sentences)


def plan_price(documents: Documents, parts: int) -> Price:
    """Return what a split of the public `documents` into `parts` costs and saves."""
    before = {role: documents[role] for role in list_parts(documents)}
    targets = {path: t for each in before.values() for path, t in each["signed"]["targets"].items()}
    shares = defaultdict[str, dict[str, Any]](dict)
    for path, target in targets.items():
        shares[pointer_role(path, parts)][path] = target
    model = next(iter(before.values()))
    after = [
        {**model, "signed": {**model["signed"], "targets": share}} for share in shares.values()
    ]
    return Price(
        tuple(map(_weigh, before.values())),
        (*map(_weigh, after), *[Part(0, frozenset(), 0)] * (parts - len(after))),
    )


def _weigh(document: Mapping[str, Any]) -> Part:
    targets = document["signed"]["targets"]
    text = json.dumps(document, separators=(",", ":")).encode()
    codenames = frozenset(decode_pointer_path(path).codename for path in targets)
    return Part(len(targets), codenames, len(gzip.compress(text, 9, mtime=0)))


def _load(public: Path, published: Published) -> Documents:
    names = {role: metadata_name(role, v) for role, v in published.versions().items()}
    return {
        role: json.loads(read_bounded(public / "metadata" / name, metadata_limit(role)))
        for role, name in names.items()
        if is_latest(role)
    }


def _data(parts: Collection[Part]) -> str:
    found = [part.size for part in parts if part.pointers]
    if not found:
        return "nothing to speak of"
    least, most = min(found), max(found)
    return f"{most:,} bytes" if least == most else f"{least:,} to {most:,} bytes"


def _whose(parts: Collection[Part]) -> str:
    return "them" if len(parts) == 1 else "its own part"


def _name_phones(parts: Collection[Part]) -> str:
    return "the whole fleet" if len(parts) == 1 else f"a {len(parts)}th of the fleet"
