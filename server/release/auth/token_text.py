"""How a token looks, and for how long one is valid: recognising it, keeping it out of texts.

Source: docs/FORMATS.md section 12.
"""

import hashlib
import re

MAX_DAYS = 366
"""A token that nobody renews for a year is one that nobody knows of."""
FORM = re.compile(r"(hening_([0-9a-f]{12})_([0-9a-f]{64}))([0-9a-f]{8})")
_PART = re.compile(r"hening_[0-9a-f]{12}_[0-9a-f]*")


def checksum(text: str) -> str:
    """Return the eight digits that end a token, from the text before them."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def is_token(text: str) -> bool:
    """Answer whether `text` is a token by form and checksum; whose and whether valid is open."""
    match = FORM.fullmatch(text)
    return match is not None and checksum(match[1]) == match[4]


def holds_token(text: str) -> bool:
    """Answer whether a token stands anywhere in `text`."""
    return any(is_token(match[0]) for match in FORM.finditer(text))


def redact(text: str) -> str:
    """Return `text` without the secret of any token, or of the beginning of one, that is in it."""
    return _PART.sub("hening_…", text)
