"""The known name that is most like a misspelt one."""

from collections.abc import Iterable
from difflib import get_close_matches

# One or two letters of a short name, and not `beta` for `stable` in a long one.
_LIKENESS = 0.82
_SHORT = 4, 5  # letters of names of which one letter may be wrong, which is less alike than that


def ask_for_near(name: str, known: Iterable[str]) -> str:
    """Return a question that names what is most like `name`; the empty text where nothing is."""
    likeness = 1 - 1 / len(name) if len(name) in _SHORT else _LIKENESS
    found = get_close_matches(name, sorted(set(known) - {name}), n=1, cutoff=likeness)
    return f" Did you mean {found[0]}?" if found else ""
