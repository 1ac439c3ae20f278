"""The known name that is most like a misspelt one."""

from collections.abc import Iterable
from difflib import get_close_matches

# One or two letters of a short name, and not `beta` for `stable` in a long one.
_LIKENESS = 0.82


def ask_for_near(name: str, known: Iterable[str]) -> str:
    """Return a question that names what is most like `name`; the empty text where nothing is."""
    found = get_close_matches(name, sorted(set(known) - {name}), n=1, cutoff=_LIKENESS)
    return f" Did you mean {found[0]}?" if found else ""
