"""Findings of an audit, each with evidence that a third party can check."""

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from server.core.errors import HeningError
from signer.errors import EnvironmentFailedError, SignerError


class MemoryFileError(SignerError):
    """The memory file of earlier audits cannot be used."""


class AnswerError(SignerError):
    """A file of the mirror that cannot be used."""


class MirrorUnavailableError(EnvironmentFailedError):
    """The mirror does not answer, or its answer is not that of a mirror."""


MAX_STORED = 1000  # findings that are kept in full; a broken mirror must not fill the memory


class Kind(enum.StrEnum):
    """The kind of a finding."""

    EQUIVOCATION = "equivocation"  # two signed statements that cannot both be true
    ROLL_BACK = "roll-back"  # less than an earlier audit saw
    MISSING = "missing"  # served and not logged, or left out of the log
    MISMATCH = "mismatch"  # served with other bytes than logged
    UNKNOWN_ROLE = "unknown-role"  # logged for a role that is not delegated
    ORDER = "order"  # versions of a role that do not grow
    ENTRY = "entry"  # a malformed entry
    PROOF = "proof"  # a stapled proof that is not valid
    LOG = "log"  # checkpoint or tiles that are missing, malformed or contradictory
    METADATA = "metadata"  # metadata that does not verify
    EXPIRED = "expired"
    UNSERVED = "unserved"  # logged, skipped, and not served: burned, or shown to another client
    PENDING = "pending"  # logged, not skipped, and not served at two audits
    FOREIGN = "foreign"  # logged, but not signed by the team


QUESTIONS = frozenset({Kind.UNSERVED, Kind.PENDING})
"""Kinds that contradict nothing that the log has signed: only the publisher can explain them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: a sentence, and JSON values that prove it."""

    kind: Kind
    text: str
    evidence: dict[str, Any]


@dataclass(slots=True)
class Findings:
    """The findings so far: `stored` has the first thousand, and `total` is the number of all.

    `wrong` is the number of those whose kind is not one of QUESTIONS.
    """

    stored: list[Finding] = field(default_factory=list)
    total: int = 0
    wrong: int = 0

    def add(self, kind: Kind, text: str, **evidence: Any) -> None:
        """Add a finding; `evidence` proves it against the log or the mirror."""
        self.total += 1
        self.wrong += kind not in QUESTIONS
        if self.total <= MAX_STORED:
            self.stored.append(Finding(kind, text, evidence))

    def extend(self, others: "Findings") -> None:
        """Add the findings of `others`."""
        self.stored += others.stored[: max(0, MAX_STORED - len(self.stored))]
        self.total += others.total
        self.wrong += others.wrong

    @contextmanager
    def catching(self, kind: Kind, **evidence: Any) -> Iterator[None]:
        """Turn an error about the mirror's data, raised in the block, into a finding of `kind`."""
        try:
            yield
        except (HeningError, AnswerError) as error:
            self.add(kind, str(error)[:1].upper() + str(error)[1:], **evidence)
