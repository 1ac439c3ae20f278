"""Judges changelogs: what an owner reads before an update, in a narrow Markdown.

Allowed is CommonMark without raw HTML, without images, and with links of the one form
`[text](https://…)`. It is checked on the text and not on a parsed tree, and so refuses a little
more than it must: a parser would tell what one renderer sees, but phones, web pages and the Updater
apps of other people each bring their own. Whatever could begin a tag, an image, a link definition
or a link elsewhere is refused wherever it stands, inside code spans and behind backslashes too, so
that no two renderers can disagree about it.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence

from signer.errors import ReleaseRefusal

MAX_CHANGELOG = 4000
_LINK = re.compile(r"\]\(https://[^\s()<>\[\]\\\"'`]+\)")
_OTHER_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_TAG = re.compile(r"<[A-Za-z/!?]")
_CONTROL = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Persian, Indic scripts and emoji need joiners; the other formats that pass are Arabic, Syriac and
# Kaithi signs that are seen. Marks of direction are never needed: a paragraph has its direction
# from its letters, and they make text read otherwise than it is stored.
_SOUND_FORMATS = frozenset(
    "\u200c\u200d\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)
# Letters and symbols that show nothing.
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_SEEN = frozenset("LNPS")


def check_locales(changelog: Mapping[str, str], required: Sequence[str]) -> None:
    """Raise ReleaseRefusal unless every locale of `required` has a text."""
    missing = [locale for locale in required if not _is_seen(changelog.get(locale, ""))]
    if missing:
        raise ReleaseRefusal(
            f"The changelog has no text for {', '.join(missing)}, which policy.toml requires;"
            f" add --changelog {missing[0]}=TEXT."
        )


def check_text(locale: str, text: str) -> None:
    """Raise ReleaseRefusal unless `text` is Markdown of the allowed kind and length."""
    start = f"The changelog for {locale}"
    if len(text) > MAX_CHANGELOG:
        raise ReleaseRefusal(
            f"{start} has {len(text)} characters; shorten it to {MAX_CHANGELOG} at most."
        )
    if not _is_seen(text):
        raise ReleaseRefusal(f"{start} shows nothing; write a text, or leave the locale away.")
    for number, character in enumerate(text):
        if _is_hidden(character):
            raise ReleaseRefusal(
                f"{start} has the invisible character U+{ord(character):04X} at position"
                f" {number + 1}; take it out."
            )
    if _TAG.search(text):
        raise ReleaseRefusal(
            f"{start} has raw HTML or a link in angle brackets; write Markdown without `<`."
        )
    if "![" in text:
        raise ReleaseRefusal(f"{start} has an image; take it out.")
    if "]:" in text:
        raise ReleaseRefusal(
            f"{start} has a link definition or `]:`; write links as [text](https://...)."
        )
    others = (match[0].casefold() for match in _OTHER_SCHEME.finditer(text))
    if text.count("](") != len(_LINK.findall(text)) or any(each != "https://" for each in others):
        raise ReleaseRefusal(
            f"{start} has a link that is not of the form [text](https://...); correct it."
        )


def _is_hidden(character: str) -> bool:
    if character == "\n" or character in _SOUND_FORMATS:
        return False
    return unicodedata.category(character) in _CONTROL or character in _FILLERS


def _is_seen(text: str) -> bool:
    """Answer whether a reader sees anything of `text`."""
    return any(
        unicodedata.category(character)[0] in _SEEN and character not in _FILLERS
        for character in text
    )
