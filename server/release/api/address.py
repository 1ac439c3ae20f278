"""The API's address for programs, and how a local command names its user."""

from urllib.parse import quote, unquote

PREFIX = "/api/v1"
OPERATOR = "Hening-Operator"
"""The header in which a command names its user."""
NAME_LIMIT = 64  # characters of a user's name


def encode_operator(name: str) -> str:
    """Return a user's name for the header: percent-encoded, as names may have any letter."""
    return quote(name, safe="", errors="backslashreplace")


def decode_operator(text: str) -> str:
    """Return the user's name in a header, empty for an invalid one."""
    try:
        name = unquote(text, errors="strict")
    except UnicodeDecodeError:
        return ""
    return name if len(name) <= NAME_LIMIT and name.isprintable() and text.isascii() else ""
