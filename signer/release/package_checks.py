"""Judges whether one inspected package may become a release of a model.

`signer.ota` has already refused malformed packages and false statements. The checks here are about
well-formed packages that still must not be offered to a fleet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.core.errors import FormatError
from server.core.names import check_file_name
from signer.errors import ReleaseRefusal
from signer.ota.errors import show_name, show_names, show_text
from signer.ota.metadata import BLOCK
from signer.ota.operations import OPTIONAL_NAMES, VERITY

if TYPE_CHECKING:
    from signer.ota.summary import OtaFacts

_NO_PAYLOAD = "it has no payload"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one question about `subject`: a package, or the channel that it goes to.

    `refusal` is a sentence if the answer is no, otherwise empty. `remark` explains any other answer
    in a few words, or is empty. `was_asked` is false when the question cannot be answered, such as
    one about signatures without a certificate.
    """

    subject: str
    question: str
    refusal: str = ""
    remark: str = ""
    was_asked: bool = True

    @property
    def passed(self) -> bool | None:
        """Whether the answer is yes; None when the question was not asked."""
        return not self.refusal if self.was_asked else None

    @property
    def answer(self) -> str:
        """The answer in tables for people: `yes`, `no` or `not asked`."""
        return "not asked" if self.passed is None else "yes" if self.passed else "no"


def judge_package(
    facts: OtaFacts, codename: str | None = None, *, allow_operations: Collection[str] = ()
) -> tuple[Verdict, ...]:
    """Return the verdict on every question, for the model `codename` when one is named.

    `allow_operations` are names of `facts.unknown` that the model's phones are known to support:
    operations, but also a minor version, a property or a field. By default there are none.
    """
    verdicts = [
        *_judge_soundness(facts),
        *_judge_unknown(facts, allow_operations),
        *_judge_signatures(facts),
        *_judge_flags(facts),
        Verdict(facts.path.name, "has a safe file name", _judge_name(facts.path.name)),
    ]
    if codename is not None:
        refusal = _judge_device(facts, codename)
        verdicts.append(Verdict(facts.path.name, f"is for {codename}", refusal))
    return tuple(verdicts)


def choose_codename(facts: OtaFacts) -> str:
    """Return the one device that a package is for; raises ReleaseRefusal when it is for several."""
    if len(facts.devices) != 1:
        raise ReleaseRefusal(
            f"{facts.shown} is for {show_names(facts.devices)}; choose one with --codename."
        )
    return facts.devices[0]


def _judge_soundness(facts: OtaFacts) -> Iterator[Verdict]:
    """Yield verdicts on the questions that the inspection has answered yes, or could not ask."""
    name, is_block = facts.path.name, facts.ota_type == BLOCK
    yield Verdict(name, "is one zip to every reader")
    one_form = "" if facts.has_metadata_pb else "it has no metadata.pb"
    yield Verdict(name, "has metadata that agree", remark=one_form, was_asked=facts.has_metadata_pb)
    if facts.property_files:
        yield Verdict(name, "has true offsets")
    else:
        yield Verdict(name, "has true offsets", remark="it gives none", was_asked=False)
    if is_block:
        yield Verdict(name, "has true payload properties", remark=_NO_PAYLOAD, was_asked=False)
        yield Verdict(
            name, "follows its version's rules", remark=f"transfer list {facts.transfer_version}"
        )
        yield Verdict(name, "has partition hashes", remark=_NO_PAYLOAD, was_asked=False)
    else:
        yield Verdict(name, "has true payload properties")
        yield Verdict(
            name, "follows its version's rules", remark=f"minor version {facts.minor_version}"
        )
        yield Verdict(name, "has partition hashes", remark=f"partitions: {len(facts.partitions)}")
    yield Verdict(name, "names no serial number")


def _judge_unknown(facts: OtaFacts, allowed: Collection[str]) -> Iterator[Verdict]:
    questions: dict[str, list[str]] = {
        "has a known minor version": [],
        "has known operations only": [],
        "has known flags only": [],
    }
    for unknown in sorted(facts.unknown):
        questions[_question_about(unknown)].append(unknown)
    name = facts.path.name
    for question, names in questions.items():
        if facts.ota_type == BLOCK and question == "has a known minor version":
            yield Verdict(name, question, remark=_NO_PAYLOAD, was_asked=False)
            continue
        refused = [each for each in names if each not in allowed]
        if refused:
            yield Verdict(
                name,
                question,
                f"{show_name(name)} needs features that not every phone supports"
                f" ({show_names(refused)}); allow them by name if the model's phones support them.",
            )
        else:
            yield Verdict(name, question, remark=f"allowed: {show_names(names)}" if names else "")


def _question_about(unknown: str) -> str:
    if unknown.startswith("minor-version-"):
        return "has a known minor version"
    if unknown.startswith("unknown-") or unknown in OPTIONAL_NAMES or unknown == VERITY:
        return "has known operations only"
    return "has known flags only"


def _judge_signatures(facts: OtaFacts) -> Iterator[Verdict]:
    name, was_asked = facts.path.name, facts.signed.whole_file
    remark = "" if was_asked else "give --certificate"
    for part in ("metadata", "payload"):
        if facts.ota_type == BLOCK:
            yield Verdict(name, f"has a good {part} signature", remark=_NO_PAYLOAD, was_asked=False)
        else:
            yield Verdict(
                name, f"has a good {part} signature", remark=remark, was_asked=facts.signed.payload
            )
    yield Verdict(name, "has a good whole-file signature", remark=remark, was_asked=was_asked)


def _judge_flags(facts: OtaFacts) -> Iterator[Verdict]:
    name = facts.shown
    flags = (
        (
            "can be streamed",
            not facts.streaming_property_files,
            f"{name} has no ota-streaming-property-files; build it with a current ota_from_target."
            if facts.ota_type != BLOCK
            else f"{name} is block-based, and a phone cannot stream such a package into its other"
            " slot; build an A/B package.",
        ),
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
    )
    for question, is_refused, refusal in flags:
        yield Verdict(facts.path.name, question, refusal if is_refused else "")
    level = facts.security_patch_level
    yield Verdict(
        facts.path.name,
        "states its patch level",
        "" if level else f"{name} does not state its security patch level; build it again.",
        level,
    )


def _judge_name(name: str) -> str:
    try:
        check_file_name(name)
    except FormatError:
        return (
            f"The file name {show_text(name)} cannot be published; rename it to lower-case"
            " letters, digits, `.`, `_` and `-`, ending in .zip, at most 95 bytes."
        )
    return ""


def _judge_device(facts: OtaFacts, codename: str) -> str:
    if codename in facts.devices:
        return ""
    return f"{facts.shown} is for {show_names(facts.devices)} and not for {codename}."
