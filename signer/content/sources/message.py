"""A text in one language, as translators write it down."""

import re
import unicodedata
from dataclasses import dataclass

from signer.content.sources.errors import SourceError

LOCALE = re.compile(r"(?=.{1,16}\Z)[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True)
class Message:
    """A text by its key and locale; `where` is `FILE, line N`.

    Author and licence are empty where those of the whole folder hold.
    """

    key: str
    locale: str
    text: str
    where: str
    author: str = ""
    licence: str = ""


def make_message(
    key: str, locale: str, text: str, where: str, *, author: str = "", licence: str = ""
) -> Message:
    """Return a message, in form NFC and without spaces around it.

    SourceError where it has no key or no locale.
    """
    if not key.strip():
        raise SourceError(f"{where}: the message has no key.")
    if LOCALE.fullmatch(locale) is None:
        raise SourceError(f"{where}: {locale!r} is no language, such as id or zh-TW.")
    clean = unicodedata.normalize("NFC", text.replace("\r\n", "\n")).strip()
    return Message(key.strip(), locale, clean, where, author, licence)
