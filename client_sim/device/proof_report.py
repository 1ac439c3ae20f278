"""The report of a proof by installation (FORMATS section 14): what a signer is shown."""

from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from client_sim.engine.apply import PartitionResult
from client_sim.engine.rules import Rules

MAX_REFUSAL: Final = 300

Way = Literal["stream", "whole"]


@dataclass(frozen=True, slots=True)
class ProvedSource:
    """The build that the phone ran: its fingerprint, and the sha256 of its full package."""

    fingerprint: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What an installation of a package on a throw-away phone has shown.

    `sha256` and `length` (bytes) are the package's, `certificate` is the sha256 of the DER form of
    the certificate in the phone's image, `prover` the version of this program. `ways` are the
    installations that were tried, in order; `rules` are the groups of rules that the last one
    asked, as the engine noted them. `refusal` is why it failed, or empty, and then `partitions` are
    what was written and read back.
    """

    certificate: str
    codename: str
    length: int
    partitions: tuple[PartitionResult, ...]
    prover: str
    refusal: str
    rules: tuple[Rules, ...]
    sha256: str
    source: ProvedSource | None
    ways: tuple[Way, ...]
    schema: Literal[1] = 1


def encode_proof(proof: Proof) -> bytes:
    """Encode a proof as the bytes of its report, canonical JSON."""
    return msgspec.json.encode(proof, order="sorted") + b"\n"


def make_printable(sentence: str) -> str:
    """Return a refusal as a report can hold it: one printable line of at most 300 characters."""
    return shorten(sentence, MAX_REFUSAL)


def shorten(text: str, limit: int = 60) -> str:
    """Return one printable line of at most `limit` characters."""
    shown = "".join(each if each.isprintable() else "?" for each in text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
