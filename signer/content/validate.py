"""Whether packs may be signed: the rules of FORMATS 15, with pictures at hand.

Whether a picture shows something is asked when it is built: `signer.content.decoding`.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from server.core.content.entries import check_entries
from server.core.content.entry import entry_error
from server.core.content.picture import check_picture
from server.core.content.role import check_themes
from server.core.errors import FormatError
from signer.content.errors import ContentError
from signer.content.pack_folder import PackFolder
from signer.content.prose import check_name, check_prose, list_names, list_texts
from signer.errors import refusing


def check_packs_to_sign(
    packs: Sequence[PackFolder], hosts: Collection[str], wallpapers: Collection[str] | None = None
) -> None:
    """Raise ContentError, naming kind, key and rule, unless all of `packs` may be signed.

    `wallpapers` are the names of those that are published; None where nobody can tell, so that
    themes are held against the wallpapers of `packs` alone, if there are any.
    """
    kinds = [pack.kind for pack in packs]
    if len(set(kinds)) != len(kinds):
        raise ContentError("A kind is given twice; give one pack of each.")
    with refusing(ContentError):
        for pack in packs:
            check_entries(pack.kind, pack.entries, hosts)
            _check_texts(pack)
            if pack.kind == "wallpapers":
                _check_pictures(pack)
        entries: dict[str, Mapping[str, Any]] = {pack.kind: pack.entries for pack in packs}
        if "wallpapers" not in entries and wallpapers is not None:
            entries["wallpapers"] = dict.fromkeys(wallpapers)
        if "wallpapers" in entries:
            check_themes(entries)


def _check_texts(pack: PackFolder) -> None:
    """Raise ContentError for texts that are none, and for news that end before they begin."""
    for text in pack.pack.title.values():
        check_prose(text)
    for key, entry in pack.entries.items():
        try:
            for name in list_names(pack.kind, entry):
                check_name(name)
            for text in list_texts(pack.kind, entry):
                check_prose(text)
        except ContentError as error:
            raise entry_error(pack.kind, key, str(error)) from error
        if "published" in entry and "end" in entry and entry["end"] <= entry["published"]:
            reason = "it ends before it is shown for a day, so nobody would see it"
            raise entry_error(pack.kind, key, reason)


def _check_pictures(pack: PackFolder) -> None:
    for key, entry in pack.entries.items():
        picture = pack.pictures.get(key, b"")
        try:
            check_picture(picture, entry["width"], entry["height"])
        except FormatError as error:
            raise entry_error(pack.kind, key, str(error)) from error
        is_same = hashlib.sha256(picture).hexdigest() == entry["sha256"]
        if not is_same or len(picture) != entry["length"]:
            raise entry_error(pack.kind, key, "its picture is not of its sha256 and length")
    for name in pack.pictures.keys() - pack.entries.keys():
        raise FormatError(f"the picture {name}.jpg has no entry.")
