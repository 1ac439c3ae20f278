"""Values of a text file that know their line, so that an error can name it."""

from collections.abc import Collection
from dataclasses import dataclass

from signer.content.sources.errors import SourceError


@dataclass(frozen=True, slots=True)
class Marked:
    """A text, a sequence or a mapping; `where` is `FILE, line N`."""

    value: "str | list[Marked] | dict[str, Marked]"
    where: str

    def text(self) -> str:
        """Return the text; SourceError if this is none, or an empty one."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.error("a text is wanted here")
        return self.value

    def sequence(self) -> "list[Marked]":
        """Return the elements; SourceError if this is no sequence."""
        if not isinstance(self.value, list):
            raise self.error("a list is wanted here")
        return self.value

    def mapping(self) -> "dict[str, Marked]":
        """Return the members; SourceError if this is no mapping."""
        if not isinstance(self.value, dict):
            raise self.error("members with names are wanted here")
        return self.value

    def members(self, needed: Collection[str], optional: Collection[str]) -> "dict[str, Marked]":
        """Return the members; SourceError unless they are all `needed` ones and `optional` ones."""
        found = self.mapping()
        if missing := sorted(set(needed) - found.keys()):
            raise self.error(f"{', '.join(missing)} is missing")
        if unknown := sorted(found.keys() - set(needed) - set(optional)):
            raise found[unknown[0]].error(f"{', '.join(unknown)} has no meaning here")
        return found

    def error(self, rule: str) -> SourceError:
        """Return the error that says what is wrong at this place."""
        return SourceError(f"{self.where}: {rule}.")
