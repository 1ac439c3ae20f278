"""The answers to every question about a release that is to be signed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from tuf.api.metadata import Targets

from server.core.release import Release
from signer.errors import ReleaseRefusal
from signer.release.package_checks import Verdict

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class JudgedRelease:
    """Every verdict, the counter, and what the role would list; `planned` None when refused.

    `releases` is what the role would list as far as it can be read, refused or not.
    """

    verdicts: tuple[Verdict, ...]
    counter: int
    releases: Mapping[str, Release]
    planned: Targets | None

    @property
    def refusals(self) -> tuple[str, ...]:
        """The sentences that speak against it, in the order in which they were found."""
        return tuple(each.refusal for each in self.verdicts if each.refusal)


class Book:
    """Collects verdicts."""

    def __init__(self) -> None:
        self.verdicts: list[Verdict] = []

    def ask(
        self, subject: object, question: str, check: Callable[..., T], *arguments: object
    ) -> T | None:
        """Note what `check` says to `arguments`; return its result, or None when it refuses."""
        try:
            result = check(*arguments)
        except ReleaseRefusal as refusal:
            self.verdicts.append(Verdict(str(subject), question, str(refusal)))
            return None
        self.verdicts.append(Verdict(str(subject), question))
        return result

    @property
    def is_clean(self) -> bool:
        """Whether nothing was refused so far."""
        return not any(each.refusal for each in self.verdicts)
