"""Checks texts for people about releases: changelogs, reasons and notes.

They must be plain text: no invisible characters, no links, no markup. Only new and changed texts
are checked, so that a text of an older version never blocks a role or a pointer.

Source: docs/FORMATS.md section 3, Plain text.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping

from tuf.api.metadata import Targets

from server.core.content.text import check_characters, check_has_no_scheme, check_visible
from server.core.errors import FormatError, ReleaseError
from server.core.pointer import Pointer
from server.core.release import decode_release

MAX_CHANGELOG = 4000  # characters
MAX_REASON = 500  # characters
MAX_NOTE = 500  # characters
# A link with or without a scheme; any Markdown link; an HTML tag.
_LINK = re.compile(r"//|www[.\u3002]|\]\(|\]:|<[a-z/!?]", re.IGNORECASE)


def check_plain(text: str, limit: int, *, lines: bool = False) -> None:
    """Raise FormatError unless `text` is plain text of 1 to `limit` characters.

    Line feeds are allowed with `lines`. Words with dots are allowed, unlike in packs, because
    changelogs name files such as `init.rc`.
    """
    check_characters(text, limit, lines=lines)
    check_visible(text)
    for form in (text, unicodedata.normalize("NFKC", text)):
        if (found := _LINK.search(form)) is not None:
            raise FormatError(
                f"a text holds {found[0]!r}, which belongs to a link or markup; remove it"
            )
    check_has_no_scheme(text)


def check_changelogs(before: Targets | None, after: Targets) -> None:
    """Raise ReleaseError unless each new changelog in `after` is plain text.

    A text is not new if any release of `before` has it in any language.
    """
    known = set[str]() if before is None else changelog_texts(before)
    for path, locale, text in _changelogs(after):
        if (wrong := _judge(text, MAX_CHANGELOG, known)) is not None:
            raise ReleaseError(
                f"{path} has a new changelog in {locale} that is not plain text: {wrong}."
            )


def changelog_texts(role: Targets) -> set[str]:
    """Return the texts of all changelogs of a codename role, in all languages."""
    return {text for _, _, text in _changelogs(role)}


def check_reason(reason: Mapping[str, str], former: Pointer | None) -> None:
    """Raise ReleaseError unless each text of a reason that `former` does not have is plain text."""
    known = _known(former)
    for locale, text in reason.items():
        if (wrong := _judge(text, MAX_REASON, known)) is not None:
            raise ReleaseError(f"the reason in {locale} is not plain text: {wrong}.")


def check_reasons(former: Mapping[str, Pointer], pointers: Mapping[str, Pointer]) -> None:
    """Check the reason of each pointer; raises ReleaseError, which names the pointer's path."""
    for path, pointer in pointers.items():
        try:
            check_reason(pointer.reason, former.get(path))
        except ReleaseError as error:
            raise ReleaseError(f"{path}: {error}") from error


def sound_reason(reason: Mapping[str, str], former: Pointer) -> dict[str, str]:
    """Return the texts of a reason that are plain text or in `former`.

    A text must never prevent stopping a rollout. New reasons are checked earlier; this drops texts
    that an older version accepted.
    """
    known = _known(former)
    return {
        locale: text for locale, text in reason.items() if _judge(text, MAX_REASON, known) is None
    }


def check_note(text: str) -> None:
    """Raise ReleaseError unless a note is plain text or empty."""
    if text and (wrong := _judge(text, MAX_NOTE, ())) is not None:
        raise ReleaseError(f"the note is not plain text: {wrong}.")


def _changelogs(role: Targets) -> Iterator[tuple[str, str, str]]:
    """Yield path, locale and text of each changelog."""
    for path, target in role.targets.items():
        release = decode_release(path, target.unrecognized_fields.get("custom"))
        for locale, text in release.changelog.items():
            yield path, locale, text


def _known(former: Pointer | None) -> Collection[str]:
    return () if former is None else former.reason.values()


def _judge(text: str, limit: int, known: Collection[str]) -> str | None:
    """Return what is wrong with a text; None if it is plain text or among `known`."""
    if text in known:
        return None
    try:
        check_plain(text, limit, lines=True)
    except FormatError as error:
        return str(error)
    return None
