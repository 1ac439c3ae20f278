"""What one holder remembers between signatures, in the key folder.

    KEYS/root.json      a root that the holder trusts, with signatures or without
    KEYS/signed.json    {"schema":1,"signed":{ROLE:{"sha256":H,"version":N}…}}, canonical JSON:
                        the newest version of each role that was signed here, and the sha256 of its
                        unsigned octets

A proposal brings its own past along, and whoever wrote it chose that past. The pinned root says
whose repository it is, the record that the past is not an older one than this holder has seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from server.core.encodings import decode_canonical_json, encode_canonical_json
from server.core.metadata import ROOT_LIMIT
from server.core.release import Positive
from signer.durable import replace_file
from signer.errors import ProposalError, refusing
from signer.proposal.document import Hash, Proposal, hash_unsigned

MAX_RECORD = 4 * 1024 * 1024


class SignedVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The newest version of a role that was signed, and the sha256 of its unsigned octets."""

    version: Positive
    sha256: Hash


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was signed, by role."""

    schema: Literal[1]
    signed: Annotated[dict[str, SignedVersion], msgspec.Meta(max_length=10_000)]


@dataclass(frozen=True, slots=True)
class HolderRecord:
    """The memory of the key folder `folder`."""

    folder: Path

    def load_root(self) -> bytes | None:
        """Return the pinned root, None where there is none yet."""
        try:
            with (self.folder / "root.json").open("rb") as file:
                return file.read(ROOT_LIMIT + 1)
        except FileNotFoundError:
            return None

    def pin_root(self, data: bytes) -> None:
        """Trust a root from now on."""
        replace_file(self.folder / "root.json", data)

    def load_signed(self) -> dict[str, SignedVersion]:
        """Return the newest version of each role that was signed here."""
        try:
            with (self.folder / "signed.json").open("rb") as file:
                return decode_record(file.read(MAX_RECORD + 1))
        except FileNotFoundError:
            return {}

    def note_signed(self, versions: Mapping[str, SignedVersion]) -> None:
        """Remember versions that are about to be signed."""
        replace_file(self.folder / "signed.json", encode_record({**self.load_signed(), **versions}))


def encode_record(signed: Mapping[str, SignedVersion]) -> bytes:
    """Return the octets of `signed.json`."""
    with refusing(ProposalError):
        return encode_canonical_json(msgspec.to_builtins(Record(1, dict(signed))))


def decode_record(data: bytes) -> dict[str, SignedVersion]:
    """Read `signed.json`; refuse anything but its one encoding."""
    try:
        with refusing(ProposalError):
            record = msgspec.convert(decode_canonical_json(data, limit=MAX_RECORD), Record)
    except (msgspec.ValidationError, ProposalError) as error:
        raise ProposalError(
            f"signed.json of the key folder cannot be read: {error}; restore it from a copy."
        ) from error
    return record.signed


def list_versions(proposal: Proposal) -> dict[str, SignedVersion]:
    """Return the versions that a proposal asks for."""
    return {
        file.role: SignedVersion(file.version, hash_unsigned(file.data))
        for file in proposal.changes
    }


def check_record(wanted: Mapping[str, SignedVersion], signed: Mapping[str, SignedVersion]) -> None:
    """Raise ProposalError when a holder has signed something newer, or something else, before."""
    for role, version in wanted.items():
        before = signed.get(role)
        if before is None or before.version < version.version or before == version:
            continue
        if before.version > version.version:
            raise ProposalError(
                f"You have signed {role} {before.version} before, so a proposal for {role}"
                f" {version.version} builds on an old state; ask for a new one."
            )
        raise ProposalError(
            f"You have signed another {role} {version.version} before; sign this one only if that"
            " one was dropped everywhere, with --again."
        )
