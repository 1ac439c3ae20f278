"""The answers to every question about a release that is to be signed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from tuf.api.metadata import Targets

from server.core.release import Release
from signer.errors import ReleaseRefusal

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer to one question about a package or the channel that it goes to.

    `refusal` is a sentence, or empty unless the answer is no; `remark` explains another answer in a
    few words. `was_asked` is false where nobody can say: bytes that are not at hand, for example.
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


@dataclass(frozen=True, slots=True)
class JudgedRelease:
    """Every judgement, the counter, and what the role would list; `planned` None when refused.

    `releases` is what the role would list as far as it can be read, refused or not.
    """

    judgements: tuple[Judgement, ...]
    counter: int
    releases: Mapping[str, Release]
    planned: Targets | None

    @property
    def refusals(self) -> tuple[str, ...]:
        """The sentences that speak against it, in the order in which they were found."""
        return tuple(each.refusal for each in self.judgements if each.refusal)


class Book:
    """Collects judgements."""

    def __init__(self) -> None:
        self.judgements: list[Judgement] = []

    def ask(
        self, subject: object, question: str, check: Callable[..., T], *arguments: object
    ) -> T | None:
        """Note what `check` says to `arguments`; return its result, or None when it refuses."""
        try:
            result = check(*arguments)
        except ReleaseRefusal as refusal:
            self.judgements.append(Judgement(str(subject), question, str(refusal)))
            return None
        self.judgements.append(Judgement(str(subject), question))
        return result

    @property
    def is_clean(self) -> bool:
        """Whether nothing was refused so far."""
        return not any(each.refusal for each in self.judgements)
