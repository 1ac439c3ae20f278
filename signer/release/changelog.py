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
# Marks that make text read otherwise than it is stored.
_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_CONTROL = frozenset({"Cc", "Cs", "Zl", "Zp"})


def check_locales(changelog: Mapping[str, str], required: Sequence[str]) -> None:
    """Raise ReleaseRefusal unless every locale of `required` has a text."""
    missing = [locale for locale in required if not changelog.get(locale)]
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
    for number, character in enumerate(text):
        if character != "\n" and (
            unicodedata.category(character) in _CONTROL or character in _DIRECTION
        ):
            raise ReleaseRefusal(
                f"{start} has the control character U+{ord(character):04X} at position"
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
