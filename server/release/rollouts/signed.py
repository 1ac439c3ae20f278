"""Changes that need offline keys: the next version of a role, as a proposal for the signers.

The control plane cannot sign offline roles. It plans the change with the same code as the signer
and returns a proposal (docs/FORMATS.md section 10), which includes the metadata to be replaced. The
signer's ceremony checks it again. The remarks of a split of `latest` state what it saves a phone
and what it reveals, computed from the public data. Sizes are those of the gzip form, which phones
fetch.
"""

import gzip
import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from tuf.api.metadata import Metadata, Targets

from server.core.latest import list_parts, plan_split, pointer_role
from server.core.metadata import encode_metadata, metadata_limit
from server.core.names import Channel, decode_pointer_path, is_latest, metadata_name
from server.core.proposal import MetadataText, Proposal, encode_proposal, proposal_id
from server.core.release import Fingerprint, Integer, Positive
from server.core.role_edit import (
    PromotionRequest,
    Withdrawal,
    is_unchanged,
    plan_promotion,
    plan_retirement,
    plan_withdrawal,
)
from server.publisher.published import Published, load_published
from server.release.errors import ConflictError, NeedsSignatureError, NotFoundError
from server.release.rollouts.commands import Note
from server.storage.bounded import read_bounded
from server.storage.tree import list_roots

Documents = Mapping[str, Mapping[str, Any]]
"""Public role files, decoded from JSON, by role."""
Days = Annotated[int, msgspec.Meta(ge=1, le=3650)]
Segment = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,15}\Z")]


class SignedEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A command that becomes a proposal."""

    note: Note = ""
    """The reason, shown to the signers: plain text without links, in one line."""
    expires_days: Days = 90
    """Days until the role's new version expires."""

    def expiry(self, now: datetime) -> datetime:
        """Return when the role's new version expires if it is proposed at `now`."""
        return now.replace(microsecond=0) + timedelta(days=self.expires_days)


class Withdraw(SignedEdit, frozen=True, kw_only=True, tag="withdraw"):
    """Withdraw a build permanently: in this channel, everywhere, or one of its incrementals."""

    counter: Positive
    everywhere: bool = False
    file: Annotated[str, msgspec.Meta(max_length=96)] = ""
    """The file name of one package in this channel; empty: the whole build."""
    drain_until: Integer | None = None
    """Until when its bytes are still served, in epoch seconds; null: not any more."""


class Promote(SignedEdit, frozen=True, kw_only=True, tag="promote"):
    """List a build of this channel also in another channel of its region."""

    counter: Positive
    to: Segment
    min_counter: Integer | None = None
    factory_builds: Annotated[list[Fingerprint], msgspec.Meta(max_length=64)] = []


class Retire(SignedEdit, frozen=True, kw_only=True, tag="retire"):
    """Remove all builds of the model: its phones are offered nothing any more."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """The bytes of a proposal file, its id, and remarks for the signers."""

    data: bytes
    identity: str
    remarks: tuple[str, ...]


def propose_for_channel(
    command: Withdraw | Promote, channel: Channel, public: Path, now: datetime
) -> Proposed:
    """Return the proposal of `command` on the `public` tree.

    Raises NotFoundError for an unknown model, ConflictError if nothing would change, and errors of
    `server.core` if the rules of the role do not allow it.
    """
    published, current = _load(channel.codename, public)
    expires = command.expiry(now)
    remarks: tuple[str, ...] = ()
    if isinstance(command, Withdraw):
        place = channel.codename if command.everywhere else str(channel)
        if command.file:
            place = f"{channel}/{command.file}"
        withdrawal = Withdrawal((place,), command.counter, command.drain_until)
        planned = plan_withdrawal(withdrawal, current, expires)
    else:
        promotion = plan_promotion(
            PromotionRequest(
                channel,
                Channel(channel.codename, channel.region, command.to),
                command.counter,
                command.min_counter,
                factory_builds=frozenset(command.factory_builds),
            ),
            current,
            expires,
        )
        planned, remarks = promotion.planned, promotion.left_out
    _check_change(channel.codename, current, planned)
    return propose(channel.codename, published, planned, public, now, command.note, remarks)


def propose_retirement(command: Retire, codename: str, public: Path, now: datetime) -> Proposed:
    """Return the proposal that empties a model's role; raises like `propose_for_channel`."""
    published, current = _load(codename, public)
    planned = plan_retirement(codename, current, command.expiry(now))
    _check_change(codename, current, planned)
    return propose(codename, published, planned, public, now, command.note, ())


def propose(
    role: str,
    published: Published,
    planned: Targets,
    public: Path,
    now: datetime,
    note: str,
    remarks: tuple[str, ...],
) -> Proposed:
    """Return the proposal that replaces the public version of `role` with `planned`."""
    context = {("root", version) for version in list_roots(public, published.timestamp.version)}
    context |= {("targets", published.targets.version), (role, planned.version - 1)}
    proposal = Proposal(
        schema=1,
        kind="proposal",
        created=int(now.timestamp()),
        note=note,
        names={},
        context=[_read(public, role, version) for role, version in sorted(context)],
        changes=[MetadataText(role, planned.version, encode_metadata(Metadata(planned)).decode())],
        packages=[],
    )
    data = encode_proposal(proposal)
    return Proposed(data, proposal_id(data), remarks)


def needs_signature(proposed: Proposed) -> NeedsSignatureError:
    """Return the error that answers a command which needs offline keys."""
    return NeedsSignatureError(
        "only the holders of offline keys can do this: have them review, sign and accept the"
        " proposal with `hening-signer ceremony`, then submit it.",
        {
            "file": proposed.data.decode(),
            "id": proposed.identity,
            "remarks": list(proposed.remarks),
        },
    )


def _load(codename: str, public: Path) -> tuple[Published, Targets]:
    published = load_published(public)
    role = None if published is None else published.roles.get(codename)
    if published is None or role is None:
        raise NotFoundError(f"there is no model {codename}.")
    return published, role


def _check_change(codename: str, current: Targets, planned: Targets) -> None:
    if is_unchanged(current, planned):
        raise ConflictError(f"nothing to do: {codename} {current.version} says so already.")


def _read(public: Path, role: str, version: int) -> MetadataText:
    path = public / "metadata" / metadata_name(role, version)
    return MetadataText(role, version, read_bounded(path, metadata_limit(role)).decode())


class Split(SignedEdit, frozen=True, kw_only=True, tag="split"):
    """Split latest into parts; a phone fetches only the part with its channel."""

    parts: Literal[4, 16]


@dataclass(frozen=True, slots=True)
class Part:
    """The content of one part: number of pointers, their models, bytes of its gzip form."""

    pointers: int
    codenames: frozenset[str]
    size: int


@dataclass(frozen=True, slots=True)
class Price:
    """The parts before and after a split, of which phones fetch one when a pointer changes."""

    before: tuple[Part, ...]
    after: tuple[Part, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """The remarks of the proposal: cost and saving in words."""
        pointers = sum(part.pointers for part in self.before)
        models = frozenset[str]().union(*(part.codenames for part in self.before))
        least = min(self.after, key=lambda part: part.pointers)
        whose, phones = "them", "the whole fleet"
        if len(self.before) > 1:
            whose, phones = "its own part", f"a {len(self.before)}th of the fleet"
        now = (
            f"latest has {pointers:,} pointers of {len(models):,} models; a phone fetches"
            f" {_data(self.before)} whenever one of {whose} changes."
        )
        then = (
            f"In {len(self.after)} parts it fetches {_data(self.after)}, whenever a pointer of"
            " its own part changes."
        )
        shown = (
            "An observer of its connection then sees which part that is. Until now a poll after a"
            f" change is the same for {phones}, afterwards only for the phones of its part: the"
            f" smallest has {least.pointers:,} channels of {len(least.codenames):,} models. A poll"
            " that finds nothing new stays the same for all."
        )
        return now, then, shown, "It cannot be taken back: no published role is ever dropped."


def propose_split(command: Split, public: Path, now: datetime) -> Proposed:
    """Return the proposal that splits latest, with cost and saving as remarks.

    Raises NotFoundError if nothing is public, ReleaseError if latest has this split already.
    """
    published = load_published(public)
    if published is None:
        raise NotFoundError("nothing is published yet, so there is nothing to split.")
    planned = plan_split(published.targets, command.parts, command.expiry(now))
    price = plan_price(_load_roles(public, published), command.parts)
    return propose("targets", published, planned, public, now, command.note, price.sentences)


def plan_price(documents: Documents, parts: int) -> Price:
    """Return what phones fetch before and after a split of `documents` into `parts`."""
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


def _load_roles(public: Path, published: Published) -> Documents:
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
