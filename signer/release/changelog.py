"""Checks changelogs, which an owner reads before an update: plain text in the required locales.

The rules are the core's (docs/FORMATS.md section 3, Plain text); the messages are for engineers.
"""

from collections.abc import Mapping, Sequence

from server.core.errors import FormatError
from server.core.release_texts import MAX_CHANGELOG, check_plain
from signer.errors import ReleaseRefusal


def check_locales(changelog: Mapping[str, str], required: Sequence[str]) -> None:
    """Raise ReleaseRefusal unless every locale of `required` has a text."""
    missing = [locale for locale in required if not changelog.get(locale, "").strip()]
    if missing:
        raise ReleaseRefusal(
            f"The changelog has no text for {', '.join(missing)}, which policy.toml requires;"
            f" add --changelog {missing[0]}=TEXT."
        )


def check_text(locale: str, text: str) -> None:
    """Raise ReleaseRefusal unless `text` is plain text of the allowed length."""
    try:
        check_plain(text, MAX_CHANGELOG, lines=True)
    except FormatError as error:
        raise ReleaseRefusal(f"The changelog for {locale} is no plain text: {error}.") from error
