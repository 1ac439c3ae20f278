"""What a look at a state folder found, and a second look before anything is called wrong."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

MOST = 20  # wrong things of one subject that are named one by one


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `error` is empty when it is in order.

    `until` is when a role expires. `due` is the alarm of a role that holds and has to be signed
    again: soon, or now (`critical`); `what_to_do` goes with it.
    """

    subject: str
    detail: str
    error: str = ""
    due: Literal["", "warning", "critical"] = ""
    until: datetime | None = None
    what_to_do: str = ""

    def tell(self, show: Callable[[datetime], str]) -> str:
        """Return what was found, in one sentence or less; `show` spells times."""
        until = "" if self.until is None else f", until {show(self.until)}"
        due = f", {self.due}: {self.what_to_do}" if self.due else ""
        return f"{self.detail}{until}{due}"


def summarise(subject: str, detail: str, errors: list[str]) -> Iterator[Finding]:
    """Yield a finding for each of `errors`, or where there is none the one that says `detail`."""
    if not errors:
        yield Finding(subject, detail)
    for error in errors[:MOST]:
        yield Finding(subject, "", error)
    if len(errors) > MOST:
        yield Finding(subject, "", f"{len(errors) - MOST} more things like these are wrong.")


async def confirm(look: Callable[[], Awaitable[list[Finding]]]) -> list[Finding]:
    """Return what `look` finds, and of what is wrong only what a second look finds, too.

    A server that publishes meanwhile changes one thing after the other: what was looked at in
    between is no damage, and the next look finds it whole, or finds something else.
    """
    first = await look()
    wrong = {(finding.subject, finding.error) for finding in first if finding.error}
    if not wrong:
        return first
    return [
        finding
        if not finding.error or (finding.subject, finding.error) in wrong
        else Finding(finding.subject, "it changes at this moment: look again")
        for finding in await look()
    ]
