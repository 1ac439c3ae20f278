"""Entries of a pack, read one by one into the form of their kind.

Source: docs/FORMATS.md section 15.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from server.core.errors import FormatError, HeningError

_T = TypeVar("_T")


def convert_entry(kind: str, key: str, entry: object, form: type[_T]) -> _T:
    """Return `entry` as a `form`; FormatError, with kind and key, where it is malformed."""
    try:
        return msgspec.convert(entry, form)
    except (msgspec.ValidationError, ValueError, HeningError) as error:
        raise entry_error(kind, key, str(error)) from error


def convert_entries(
    kind: str,
    entries: Mapping[str, Any],
    form: type[_T],
    check: Callable[[str, _T], None] | None = None,
) -> dict[str, _T]:
    """Return all entries as `form`; `check` looks at each with its key."""
    converted = {}
    for key, entry in entries.items():
        converted[key] = convert_entry(kind, key, entry, form)
        if check is not None:
            try:
                check(key, converted[key])
            except (ValueError, HeningError) as error:
                raise entry_error(kind, key, str(error)) from error
    return converted


def entry_error(kind: str, key: str, rule: str) -> FormatError:
    """Return the error that says which rule an entry breaks."""
    return FormatError(f"the entry {key[:64]!r} of {kind}: {rule.rstrip('.')}.")
