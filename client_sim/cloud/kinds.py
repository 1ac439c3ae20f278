"""The table of record types: their collection, encoding, and merging of two versions."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from client_sim.cloud import contacts, messages, notes, photos
from client_sim.cloud.errors import CloudError, RecordError
from client_sim.cloud.records import Revision


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of merging two versions.

    `sentence` tells the owner of a conflict; it is empty if there was none. `lost` is the version
    that was not kept unchanged. `copy` is an additional record that preserves one version.
    """

    body: bytes
    sentence: str = ""
    lost: bytes | None = None
    copy: bytes | None = None


Merge = Callable[[bytes | None, bytes, bytes, bool, str], Outcome]
"""Takes base, mine, theirs, whether mine is later, and today's date; returns the outcome."""


def _plain(body: bytes) -> tuple[str, bytes]:
    return "", body


def _content(revision: Revision) -> bytes:
    return revision.content


def _keep_theirs(
    _base: bytes | None, _mine: bytes, theirs: bytes, _is_later: bool, _day: str
) -> Outcome:
    """Keep the server's version: such a record has only one writer, or never changes."""
    return Outcome(theirs)


@dataclass(frozen=True, slots=True)
class Kind:
    """A record type.

    `describe` returns a record's name for the owner. `encode` returns the `name` in an item's
    description and the content. `decode` returns the record of a revision. If one device deleted a
    record and another changed it, it stays deleted with `deletion_wins`; otherwise the change is
    kept.
    """

    name: str
    collection: str
    title: str
    describe: Callable[[bytes], str]
    encode: Callable[[bytes], tuple[str, bytes]] = _plain
    decode: Callable[[Revision], bytes] = _content
    merge: Merge = _keep_theirs
    deletion_wins: bool = False


def _encode_note(body: bytes) -> tuple[str, bytes]:
    title, text = notes.split_note(body)
    return title, text.encode()


def _decode_note(revision: Revision) -> bytes:
    return notes.make_note(revision.name, revision.content.decode("utf-8", "replace"))


def _decode_photo(revision: Revision) -> bytes:
    return photos.encode_photo(photos.decode_photo(revision.content))


def _merge_contact(
    base: bytes | None, mine: bytes, theirs: bytes, is_later: bool, _day: str
) -> Outcome:
    body, lost = contacts.merge_cards(base, mine, theirs, mine_is_later=is_later)
    if not lost:
        return Outcome(body)
    name = contacts.describe_contact(body)
    return Outcome(
        body,
        f"{name} was changed on two devices; the later change is kept, in place of {lost}.",
        theirs if is_later else mine,
    )


def _merge_note(
    base: bytes | None, mine: bytes, theirs: bytes, is_later: bool, day: str
) -> Outcome:
    merged = notes.merge_notes(base, mine, theirs, mine_is_later=is_later)
    if merged is not None:
        return Outcome(merged)
    title = notes.split_note(theirs)[0]
    sentence = f"The note {title!r} was changed on two devices in the same lines; both are kept."
    return Outcome(theirs, sentence, copy=notes.name_copy(mine, day))


def _merge_photo(
    base: bytes | None, mine: bytes, theirs: bytes, is_later: bool, _day: str
) -> Outcome:
    return Outcome(photos.merge_photos(base, mine, theirs, mine_is_later=is_later))


def _describe_note(body: bytes) -> str:
    return f"the note {notes.split_note(body)[0]!r}"


def _describe_photo(body: bytes) -> str:
    try:
        return photos.decode_photo(body).name
    except CloudError:
        return "a photo whose record cannot be read"


def _describe_inner(_body: bytes) -> str:
    return "an internal record"


_KINDS: Final = (
    Kind(
        *("contact", "etebase.vcard", "Contacts", contacts.describe_contact),
        merge=_merge_contact,
    ),
    Kind(
        *("note", "etebase.md.note", "Notes", _describe_note),
        encode=_encode_note,
        decode=_decode_note,
        merge=_merge_note,
    ),
    Kind("message", "hening.sms", "Messages", messages.describe_message, deletion_wins=True),
    Kind(
        *("photo", "hening.photo", "Photos", _describe_photo),
        decode=_decode_photo,
        merge=_merge_photo,
    ),
    Kind("keys", "hening.keys", "Keys", _describe_inner),
    Kind("devices", "hening.devices", "Devices", _describe_inner),
)
KINDS: Final = {kind.name: kind for kind in _KINDS}
COLLECTIONS: Final = {kind.collection: name for name, kind in KINDS.items()}
"""Names of kinds by the names of collection types."""


def encode_inner(value: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Return an internal record of the owner's phones as JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def decode_inner(body: bytes) -> dict[str, Any]:
    """Decode an internal record; raises RecordError if it is malformed."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise RecordError("An internal record of your phones cannot be read.")
    return value
