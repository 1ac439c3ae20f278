"""Commands of a group that are imported when they are named, so that a program starts sooner."""

import importlib
from collections.abc import Iterator, Mapping, MutableMapping

import click


class LazyCommands(MutableMapping[str, click.Command]):
    """A group's commands by name: those in `loaded`, and those that `places` locates.

    A place is written as entry points are, `package.module:attribute`. Listing the names imports
    nothing; the first look at a command imports its module, and raises what that raises.
    """

    def __init__(self, places: Mapping[str, str], loaded: Mapping[str, click.Command]) -> None:
        self._places = dict.fromkeys(loaded, "") | dict(places)
        self._loaded = dict(loaded)

    def __getitem__(self, name: str) -> click.Command:
        """Return a command; KeyError where there is none of this name."""
        if name not in self._loaded:
            module, _, attribute = self._places[name].partition(":")
            self._loaded[name] = getattr(importlib.import_module(module), attribute)
        return self._loaded[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        """Add a command that is imported already, as `add_command` does."""
        self._places.setdefault(name, "")
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        """Take a command out."""
        del self._places[name]
        self._loaded.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        """Yield the names in their order."""
        return iter(self._places)

    def __len__(self) -> int:
        """Return how many commands there are."""
        return len(self._places)
