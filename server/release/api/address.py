"""Where programs find the API, and how a command of this machine says who runs it."""

from urllib.parse import quote, unquote

PREFIX = "/api/v1"
OPERATOR = "Hening-Operator"
"""The header by which a command says who runs it."""
NAME_LIMIT = 64  # characters of a user's name


def encode_operator(name: str) -> str:
    """Return a user's name as the header says it: percent-encoded, as names may have any letter."""
    return quote(name, safe="", errors="backslashreplace")


def decode_operator(text: str) -> str:
    """Return the user's name that a header says, empty where it says none that could be."""
    try:
        name = unquote(text, errors="strict")
    except UnicodeDecodeError:
        return ""
    return name if len(name) <= NAME_LIMIT and name.isprintable() and text.isascii() else ""
