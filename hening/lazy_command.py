"""Command that is imported on first use, so that a program starts sooner."""

import importlib
from typing import Any

import click


class LazyCommand(click.Command):
    """Stands for a command until it is used: listing the commands imports none of them.

    `place` is written as entry points are, `package.module:attribute`. `summary` is the beginning
    of the command's help. A hidden command, such as a former name, works but is not listed.
    """

    def __init__(self, name: str, place: str, summary: str, *, is_hidden: bool = False) -> None:
        super().__init__(name, short_help=summary, hidden=is_hidden)
        self._place = place

    def load(self) -> click.Command:
        """Return the command itself; raises what its import raises."""
        module, _, attribute = self._place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Return a context of the command itself, which click uses to parse and run it."""
        return self.load().make_context(info_name, args, parent, **extra)
