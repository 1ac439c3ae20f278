"""Reads a report of `hening-device prove`, which says whether a package installs, or why not.

Source: docs/FORMATS.md section 14. A report is not signed: it is only as trustworthy as the machine
that made it, and replaces no check that the signer can make itself.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

import msgspec

from server.core.encodings import MAX_INTEGER, decode_canonical_json
from server.core.errors import HeningError
from signer.errors import ReleaseRefusal
from signer.ota.errors import show_name

MAX_PROOF: Final = 64 * 1024  # bytes
_NO_REPORT: Final = "is not a report of `hening-device prove`; prove the package again."

_Hash = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_Length = Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]
_Rules = Literal[
    "files",
    "metadata",
    "properties",
    "header",
    "manifest",
    "operations",
    "signatures",
    "phone",
    "data",
    "images",
]
_ALL_RULES: Final = frozenset(get_args(_Rules))
_InstallMode = Literal["stream", "whole"]
_PASSED: Final = (["stream", "whole"], ["whole"])
_REFUSED: Final = (*_PASSED, ["stream"])


class ProvedPartition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A partition that was written and read back; `size` is in bytes."""

    name: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9_-]{0,35}\Z")]
    sha256: _Hash
    size: _Length


class ProvedSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fingerprint of the build that the phone ran, and the sha256 of its full package."""

    fingerprint: Annotated[str, msgspec.Meta(pattern=r"\A[!-~]{1,128}\Z")]
    sha256: _Hash


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of a report; FORMATS explains each member."""

    certificate: _Hash
    codename: Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9][a-z0-9_-]{0,31}\Z")]
    length: _Length
    partitions: Annotated[list[ProvedPartition], msgspec.Meta(max_length=128)]
    prover: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9.+-]{1,64}\Z")]
    refusal: Annotated[str, msgspec.Meta(max_length=300)]
    rules: Annotated[list[_Rules], msgspec.Meta(min_length=1)]
    schema: Literal[1]
    sha256: _Hash
    source: ProvedSource | None
    ways: list[_InstallMode]


@dataclass(frozen=True, slots=True)
class Proofs:
    """The given reports, and the requirements on them.

    With `is_required` a package needs one. `certificate` is the sha256 of the DER form of the
    certificate that the packages are verified with, empty without one; `version` is this program's.
    """

    given: tuple[Proof, ...] = ()
    is_required: bool = False
    certificate: str = ""
    version: str = ""


def decode_proof(data: bytes, name: str) -> Proof:
    """Read a report from the bytes of the file `name`; raises ReleaseRefusal if it is malformed."""
    try:
        value = decode_canonical_json(data, limit=MAX_PROOF)
        if isinstance(value, dict) and type(value.get("schema")) is int and value["schema"] != 1:
            raise ReleaseRefusal(
                f"{show_name(name)} has schema {str(value['schema'])[:20]}, which this version does"
                " not know; prove the package with hening-device of this version."
            )
        proof = msgspec.convert(value, Proof)
    except (HeningError, msgspec.ValidationError):
        raise ReleaseRefusal(f"{show_name(name)} {_NO_REPORT}") from None
    names = [partition.name for partition in proof.partitions]
    is_whole = (
        proof.refusal.isprintable()
        and proof.ways in (_REFUSED if proof.refusal else _PASSED)
        and bool(names) != bool(proof.refusal)
        and len(set(names)) == len(names)
        and len(set(proof.rules)) == len(proof.rules)
        and (bool(proof.refusal) or _ALL_RULES.issubset(proof.rules))
    )
    if not is_whole:
        raise ReleaseRefusal(f"{show_name(name)} {_NO_REPORT}")
    return proof


def load_proof(path: Path) -> Proof:
    """Read a report; raises ReleaseRefusal as `decode_proof` does, and OSError."""
    with path.open("rb") as file:
        return decode_proof(file.read(MAX_PROOF + 1), path.name)
