"""What a scenario reports: rows of a table, and the claims that follow from them."""

from collections.abc import Sequence

import msgspec

Row = tuple[str, Sequence[float | None]]


class Claim(msgspec.Struct, frozen=True):
    """One line of the issue's list: what must hold, what was seen.

    `value` is None where a peer was missing; `at_least` tells on which side of `goal` is good.
    """

    what: str
    value: float | None
    goal: float
    unit: str
    at_least: bool = True

    @property
    def holds(self) -> bool | None:
        """Whether it holds; None where it could not be measured."""
        if self.value is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal


class Report(msgspec.Struct, frozen=True):
    """A scenario's table: `columns` names what each row has after its first cell."""

    name: str
    title: str
    columns: list[str]
    rows: Sequence[Row]
    claims: Sequence[Claim]
    note: str = ""
