"""Forms of keys that several kinds share: countries, and the names of pictures and themes.

Source: docs/FORMATS.md section 15.
"""

import re

_COUNTRY = re.compile(r"[A-Z]{2}")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")


def is_country(text: str) -> bool:
    """Answer whether `text` is two capital letters."""
    return _COUNTRY.fullmatch(text) is not None


def check_name(text: str) -> None:
    """Raise ValueError unless `text` may name a picture or a theme."""
    if _NAME.fullmatch(text) is None:
        raise ValueError(f"{text[:64]!r} is no name of lower-case letters, digits and `-`")
