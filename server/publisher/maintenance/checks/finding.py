"""Findings about a state folder, and a second check before an error is reported."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

MAX_LISTED = 20  # errors of one subject that are listed individually


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; `error` is empty when all is in order.

    `until` is when a role expires. `due` is the severity of a role that has to be signed again:
    soon, or now (`critical`); `what_to_do` goes with it.
    """

    subject: str
    detail: str
    error: str = ""
    due: Literal["", "warning", "critical"] = ""
    until: datetime | None = None
    what_to_do: str = ""

    def describe(self, show: Callable[[datetime], str]) -> str:
        """Return the finding in at most one sentence; `show` formats times."""
        until = "" if self.until is None else f", until {show(self.until)}"
        due = f", {self.due}: {self.what_to_do}" if self.due else ""
        return f"{self.detail}{until}{due}"


def summarise(subject: str, detail: str, errors: list[str]) -> Iterator[Finding]:
    """Yield a finding for each of `errors`, or, without any, one that says `detail`."""
    if not errors:
        yield Finding(subject, detail)
    for error in errors[:MAX_LISTED]:
        yield Finding(subject, "", error)
    if len(errors) > MAX_LISTED:
        yield Finding(subject, "", f"there are {len(errors) - MAX_LISTED} more errors like these.")


async def confirm(look: Callable[[], Awaitable[list[Finding]]]) -> list[Finding]:
    """Return the findings of `look`, with only those errors that a second call confirms.

    A server that publishes meanwhile changes one file after the other. Such an intermediate state
    is no damage: the second call finds it complete, or finds something else.
    """
    first = await look()
    wrong = {(finding.subject, finding.error) for finding in first if finding.error}
    if not wrong:
        return first
    return [
        finding
        if not finding.error or (finding.subject, finding.error) in wrong
        else Finding(finding.subject, "it is changing: check again")
        for finding in await look()
    ]
