"""Groups of the rules of FORMATS section 14, and how an installation notes which ones it asks."""

import enum
from collections.abc import Callable


class Rules(enum.StrEnum):
    """A group of rules; FORMATS says which rules of its table belong to each."""

    FILES = "files"
    METADATA = "metadata"
    PROPERTIES = "properties"
    HEADER = "header"
    MANIFEST = "manifest"
    OPERATIONS = "operations"
    SIGNATURES = "signatures"
    PHONE = "phone"
    DATA = "data"
    IMAGES = "images"


Note = Callable[[Rules], None]
"""Called right before the rules of a group are asked."""


def note_nothing(_: Rules) -> None:
    """Keep no note, as a phone does."""


class Asked:
    """Which groups one installation asked: each once, in the order in which each came last.

    So the last one is the group whose rule refused a package that was refused.
    """

    def __init__(self) -> None:
        self._groups: dict[Rules, None] = {}

    def __call__(self, group: Rules) -> None:
        """Note that the rules of a group are asked now."""
        self._groups.pop(group, None)
        self._groups[group] = None

    @property
    def groups(self) -> tuple[Rules, ...]:
        """The groups that were noted."""
        return tuple(self._groups)
