"""Checks whether packs may be signed: the rules of FORMATS 15, including those on pictures.

Only the build decodes pictures: `signer.content.build.check_decodes`.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from server.core.content.kinds import entry_error
from server.core.content.picture import check_picture
from server.core.content.role import check_entries, check_themes
from server.core.errors import FormatError
from signer.content.pack_folder import PackFolder
from signer.errors import ContentError, refusing


def check_packs_to_sign(
    packs: Sequence[PackFolder], hosts: Collection[str], wallpapers: Collection[str] | None = None
) -> None:
    """Raise ContentError, naming kind, key and rule, unless all of `packs` may be signed.

    `wallpapers` has the names of the published wallpapers. If it is None, themes are checked only
    against the wallpapers of `packs`, if any.
    """
    kinds = [pack.kind for pack in packs]
    if len(set(kinds)) != len(kinds):
        raise ContentError("A kind is given twice; give one pack of each.")
    with refusing(ContentError):
        for pack in packs:
            check_entries(pack.kind, pack.entries, hosts)
            if pack.kind == "wallpapers":
                _check_pictures(pack)
        entries: dict[str, Mapping[str, Any]] = {pack.kind: pack.entries for pack in packs}
        if "wallpapers" not in entries and wallpapers is not None:
            entries["wallpapers"] = dict.fromkeys(wallpapers)
        if "wallpapers" in entries:
            check_themes(entries)


def _check_pictures(pack: PackFolder) -> None:
    for key, entry in pack.entries.items():
        picture = pack.pictures.get(key, b"")
        try:
            check_picture(picture, entry["width"], entry["height"])
        except FormatError as error:
            raise entry_error(pack.kind, key, str(error)) from error
        is_same = hashlib.sha256(picture).hexdigest() == entry["sha256"]
        if not is_same or len(picture) != entry["length"]:
            raise entry_error(pack.kind, key, "its picture has another sha256 or length")
    for name in pack.pictures.keys() - pack.entries.keys():
        raise FormatError(f"the picture {name}.jpg has no entry.")


_SHARE = 5  # losing more than one entry in this many needs --accept-loss
_SHOWN = 10  # keys of lost entries in a message


def check_has_enough(pack: PackFolder, before: PackFolder | None) -> None:
    """Raise ContentError for an empty pack, or one that lacks more than a fifth of `before`.

    `before` is None if there is no earlier pack, or if the loss is accepted.
    """
    if not pack.entries:
        raise ContentError(
            f"The pack {pack.kind} would have no entry; is the source complete? To end the use of a"
            " pack, withdraw it."
        )
    if before is None:
        return
    lost = sorted(before.entries.keys() - pack.entries.keys())
    if len(lost) * _SHARE > len(before.entries):
        keys = ", ".join(lost[:_SHOWN]) + (", \u2026" if len(lost) > _SHOWN else "")
        raise ContentError(
            f"The pack {pack.kind} would lose {len(lost)} of the {len(before.entries)} entries of"
            f" version {before.pack.version} ({keys}); if that is intended, give"
            " --accept-loss."
        )
