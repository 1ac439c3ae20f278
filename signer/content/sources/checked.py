"""Texts held against the rules where they are read, so that an error names file and line."""

from server.core.content.sms import count_segments
from server.core.content.text import check_text
from server.core.errors import FormatError
from signer.content.errors import ContentError
from signer.content.prose import check_prose
from signer.content.sources.errors import SourceError

SEGMENTS = 4


def check_words(text: str, where: str, limit: int, *, lines: bool = False) -> str:
    """Return a text of at most `limit` characters; SourceError, with `where`, if it may not be."""
    try:
        check_text(text, limit, lines=lines)
        check_prose(text)
    except (ContentError, FormatError) as error:
        raise SourceError(f"{where}: {str(error).rstrip('.')}.") from error
    return text


def check_greeting(text: str, where: str) -> str:
    """Return a text that people send; SourceError if it breaks a rule, or takes too many SMS."""
    check_words(text, where, 500, lines=True)
    if (segments := count_segments(text)) > SEGMENTS:
        raise SourceError(f"{where}: the text takes {segments} SMS, and {SEGMENTS} are allowed.")
    return text
