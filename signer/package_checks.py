"""Judges whether one inspected package may become a release of a model.

`signer.ota` has refused what is malformed or untrue before; what is left here is well-formed and
still must not be offered to a fleet.
"""

from dataclasses import dataclass

from server.core.errors import FormatError
from server.core.names import check_file_name
from signer.errors import ReleaseRefusal
from signer.ota.facts import OtaFacts


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one question; `refusal` is a sentence, or empty when the package passes."""

    question: str
    refusal: str = ""


def judge_package(facts: OtaFacts, codename: str | None = None) -> tuple[Verdict, ...]:
    """Return the verdict on every question, for the model `codename` when one is named."""
    name = facts.path.name
    flags = (
        (
            "keeps the owner's data",
            facts.wipe,
            f"{name} wipes the owner's data; build it without the wipe option.",
        ),
        (
            "is no downgrade",
            facts.downgrade,
            f"{name} is marked as a downgrade; build it from an older source build.",
        ),
        (
            "keeps the patch level",
            facts.spl_downgrade,
            f"{name} lowers the security patch level; build it with a newer one.",
        ),
        (
            "updates the whole system",
            facts.partial,
            f"{name} updates only some partitions; build it with all of them.",
        ),
        (
            "can be streamed",
            not facts.streaming_property_files,
            f"{name} has no ota-streaming-property-files; build it with a current ota_from_target.",
        ),
    )
    verdicts = [
        Verdict(question, refusal if refused else "") for question, refused, refusal in flags
    ]
    verdicts.append(Verdict("has a safe file name", _judge_name(name)))
    if codename is not None:
        verdicts.append(Verdict(f"is for {codename}", _judge_device(facts, codename)))
    return tuple(verdicts)


def check_package(facts: OtaFacts, codename: str) -> None:
    """Raise ReleaseRefusal with the first refusal of a package for `codename`."""
    for verdict in judge_package(facts, codename):
        if verdict.refusal:
            raise ReleaseRefusal(verdict.refusal)


def choose_codename(facts: OtaFacts) -> str:
    """Return the only device that a package is for; ReleaseRefusal when it is for several."""
    if len(facts.devices) != 1:
        raise ReleaseRefusal(
            f"{facts.path.name} is for {', '.join(facts.devices)}; choose one with --codename."
        )
    return facts.devices[0]


def _judge_name(name: str) -> str:
    try:
        check_file_name(name)
    except FormatError:
        return (
            f"The file name {name[:120]!r} cannot be published; rename it to lower-case letters,"
            " digits, `.`, `_` and `-`, ending in .zip, at most 95 octets."
        )
    return ""


def _judge_device(facts: OtaFacts, codename: str) -> str:
    if codename in facts.devices:
        return ""
    return f"{facts.path.name} is for {', '.join(facts.devices)} and not for {codename}."
