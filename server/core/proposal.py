"""The proposal file: the changes to sign, and all metadata that is needed to check them.

Canonical JSON (docs/FORMATS.md section 1), at most 256 MiB; the id of a proposal is the sha256 of
its bytes:

    {"changes":[FILE…],"context":[FILE…],"created":T,"kind":"proposal","names":{KEYID:TEXT…},
     "note":TEXT,"packages":[{"length":L,"name":TEXT,"sha256":H}…],"schema":1}

A FILE is `{"octets":TEXT,"role":ROLE,"version":N}`, the text of one metadata file: under `changes`
without signatures, under `context` as it was signed. The context is every root, targets, and the
current version of each delegated role that the change touches. `names` has the proposer's names of
the keys: for display only, never trusted. The signer's ceremony reads and writes proposals; the
control plane writes one if a change needs offline keys. Source: docs/FORMATS.md section 10.
"""

import hashlib
from typing import Annotated, Literal

import msgspec

from server.core.encodings import decode_canonical_json, encode_canonical_json
from server.core.errors import FormatError
from server.core.names import check_role, is_online
from server.core.release import Integer, Positive
from server.core.release_texts import MAX_NOTE, check_note

MAX_PROPOSAL = 256 * 1024 * 1024

Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Note = Annotated[str, msgspec.Meta(max_length=MAX_NOTE)]
# A key's name, and its holder if known, without the characters that separate keys in a list.
KeyLabel = Annotated[
    str, msgspec.Meta(pattern=r"^[a-z0-9_-]{3,36}(?: \([^(),;?]{1,40}\))?\Z", max_length=80)
]


class MetadataText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One metadata file as text."""

    role: str
    version: Positive
    text: str = msgspec.field(name="octets")

    @property
    def data(self) -> bytes:
        """The bytes of the file."""
        return self.text.encode()


class PackageFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """A package that the change adds; the proposal does not contain its bytes."""

    sha256: Hash
    length: Integer
    name: Annotated[str, msgspec.Meta(max_length=255)]


class Proposal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A change that waits for signatures; `created` in epoch seconds."""

    schema: Literal[1]
    kind: Literal["proposal"]
    created: Integer
    note: Note
    names: dict[Hash, KeyLabel]
    context: Annotated[list[MetadataText], msgspec.Meta(max_length=5000)]
    changes: Annotated[list[MetadataText], msgspec.Meta(min_length=1, max_length=1000)]
    packages: Annotated[list[PackageFile], msgspec.Meta(max_length=1000)]


def encode_proposal(proposal: Proposal) -> bytes:
    """Return the bytes of a proposal file.

    Raises FormatError if the proposal breaks the format, ReleaseError if its note is not plain
    text.
    """
    data = encode_canonical_json(msgspec.to_builtins(proposal))
    _check(proposal, data)
    return data


def decode_proposal(data: bytes) -> Proposal:
    """Read a proposal file, without trusting its content.

    Raises FormatError for anything but its one encoding, and errors as `encode_proposal` does.
    """
    value = decode_canonical_json(data, limit=MAX_PROPOSAL)
    try:
        proposal = msgspec.convert(value, Proposal)
    except msgspec.ValidationError as error:
        raise FormatError(
            f"the file is not a proposal of schema 1: {error}; use the file that `--propose` wrote."
        ) from error
    _check(proposal, data)
    return proposal


def proposal_id(data: bytes) -> str:
    """Return the id of the proposal file `data`."""
    return hashlib.sha256(data).hexdigest()


def _check(proposal: Proposal, data: bytes) -> None:
    if len(data) > MAX_PROPOSAL:
        raise FormatError(
            f"the proposal has {len(data)} bytes, and {MAX_PROPOSAL} are allowed; propose fewer"
            " roles in one proposal."
        )
    for files in (proposal.context, proposal.changes):
        names = [(file.role, file.version) for file in files]
        if sorted(set(names)) != names:
            raise FormatError("the proposal's files are not sorted, or have repetitions.")
        for name, _ in names:
            check_role(name)
    roles = [file.role for file in proposal.changes]
    if len(set(roles)) != len(roles):
        raise FormatError(
            "the proposal changes a role twice; a proposal holds one version of each role."
        )
    if online := sorted(filter(is_online, roles)):
        raise FormatError(f"the proposal changes {online[0]}, which only the server signs.")
    if sorted(set(proposal.packages)) != proposal.packages:
        raise FormatError("the proposal's packages are not sorted, or have repetitions.")
    check_note(proposal.note)
    texts = [proposal.note, *proposal.names.values()]
    texts += [package.name for package in proposal.packages]
    if not all(text.isprintable() for text in texts):
        raise FormatError("the note or a name in the proposal has unprintable characters.")
