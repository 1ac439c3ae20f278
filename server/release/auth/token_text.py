"""The text form of a token, and its maximum lifetime: recognises tokens and redacts them.

Source: docs/FORMATS.md section 12.
"""

import hashlib
import re

MAX_DAYS = 366
"""A token that is not renewed for a year has probably been forgotten."""
FORM = re.compile(r"(hening_([0-9a-f]{12})_([0-9a-f]{64}))([0-9a-f]{8})")
_PART = re.compile(r"hening_[0-9a-f]{12}_[0-9a-f]*")


def checksum(text: str) -> str:
    """Return the eight digits at the end of a token, from the text before them."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def is_token(text: str) -> bool:
    """Answer whether `text` is a token by form and checksum; it may be unknown or invalid."""
    match = FORM.fullmatch(text)
    return match is not None and checksum(match[1]) == match[4]


def holds_token(text: str) -> bool:
    """Answer whether `text` contains a token."""
    return any(is_token(match[0]) for match in FORM.finditer(text))


def redact(text: str) -> str:
    """Return `text` without the secret of any token, or beginning of one, that it contains."""
    return _PART.sub("hening_…", text)
