"""The report of a scenario: rows of a table, and the claims computed from them."""

from collections.abc import Sequence

import msgspec

Row = tuple[str, Sequence[float | None]]


class Claim(msgspec.Struct, frozen=True):
    """A performance goal and the measured value.

    `value` is None if a peer was missing. `goal` is a minimum if `at_least`, else a maximum.
    """

    what: str
    value: float | None
    goal: float
    unit: str
    at_least: bool = True

    @property
    def holds(self) -> bool | None:
        """Whether the goal is met; None if it was not measured."""
        if self.value is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal


class Report(msgspec.Struct, frozen=True):
    """A scenario's table and claims; `columns` names the cells of a row after the row's name."""

    name: str
    title: str
    columns: list[str]
    rows: Sequence[Row]
    claims: Sequence[Claim]
    note: str = ""
