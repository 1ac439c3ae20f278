"""Parameter types that several commands use."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import click

T = TypeVar("T")

FOLDER = click.Path(file_okay=False, path_type=Path)
EXISTING_FILE = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


class TextAssignment(click.ParamType[tuple[str, str]]):
    """`NAME=TEXT`, as a pair."""

    name = "NAME=TEXT"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Split at the first equals sign."""
        name, equals, text = value.partition("=")
        if not name or not equals:
            self.fail(f"{value!r} is not of the form NAME=TEXT.", param, ctx)
        return name, text


class NumberAssignment(click.ParamType[tuple[str, int]]):
    """`NAME=N`, as a pair of a name and an integer that is not negative."""

    name = "NAME=N"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Split at the first equals sign and read the number."""
        name, equals, text = value.partition("=")
        if not name or not equals or not (text.isascii() and text.isdigit() and len(text) <= 6):
            self.fail(f"{value!r} is not of the form NAME=N.", param, ctx)
        return name, int(text)


def collect(pairs: Sequence[tuple[str, T]], option: str) -> dict[str, T]:
    """Return pairs as a dict; a name that is given twice is wrong usage."""
    collected = dict(pairs)
    if len(collected) != len(pairs):
        raise click.UsageError(f"{option} is given twice for one name.")
    return collected
