"""A role's packs, checked from their bytes: rules across kinds, and pictures."""

import hashlib
import lzma

import pytest

from server.core.content.role import check_entries, check_packs
from server.core.errors import FormatError
from tests.server.core.content.samples import (
    KINDS,
    PICTURE,
    entries_of,
    jpeg,
    make_pack_role,
    pack,
    segment,
)

CONTENT = ("themes", "wallpapers", "notices", "greetings", "holidays", "features")


def make(kinds=CONTENT, role="content", **options):
    """Return a role of these kinds and the bytes of its targets."""
    return make_pack_role(role, {kind: entries_of(kind) for kind in kinds}, **options)


def test_valid_packs_pass():
    """Valid packs of both roles pass, as first and as later versions."""
    for role in ("tables", "content"):
        kinds = [kind for kind in KINDS if (kind in CONTENT) == (role == "content")]
        made, files = make(kinds, role)
        check_packs(role, None, made, files.__getitem__)
        check_packs(role, made, made, files.__getitem__)


def test_invalid_part_is_refused():
    """An invalid part is found in any pack, even if only the hosts changed."""
    made, files = make()
    bad = lzma.compress(b"[]\n", lzma.FORMAT_XZ, lzma.CHECK_CRC32, preset=6)
    with pytest.raises(FormatError, match="part 5 of greetings is malformed"):
        check_packs("content", None, made, (files | {"content/greetings/05.xz": bad}).__getitem__)
    after, _ = make()
    after.unrecognized_fields["custom"]["hosts"] = []
    with pytest.raises(FormatError, match=r"'end-of-support' of notices.*not an allowed host"):
        check_packs("content", made, after, files.__getitem__)


def test_theme_needs_its_wallpaper():
    """A theme's wallpaper must be in the same role; a withdrawn theme is not checked."""
    made, files = make(["themes"])
    with pytest.raises(FormatError, match="'sea' of themes: there is no wallpaper 'waves'"):
        check_packs("content", None, made, files.__getitem__)
    made, files = make(packs={"wallpapers": pack(withdrawn=[1])})
    check_packs("content", None, made, files.__getitem__)


def test_withdrawn_pack_is_not_read():
    """An invalid pack can be withdrawn."""
    made, _ = make(["notices"], packs={"notices": pack(withdrawn=[1])})
    check_packs("content", None, made, {}.__getitem__)


def test_pictures_match_the_entries():
    """A new pack's pictures are exactly those of its entries, with length and hash."""
    made, files = make(pictures={"waves": jpeg(64, 72)})
    with pytest.raises(FormatError, match="'waves' of wallpapers: its picture is not listed"):
        check_packs("content", None, made, files.__getitem__)
    more = {"content/wallpapers/waves.jpg", "content/wallpapers/more.jpg"}
    made, files = make(["wallpapers"])
    target = made.targets["content/wallpapers/waves.jpg"]
    made.targets |= dict.fromkeys(more, target)
    with pytest.raises(FormatError, match=r"more\.jpg is listed, but wallpapers has no entry"):
        check_packs("content", None, made, files.__getitem__)


def test_invalid_picture_of_a_new_pack_is_refused():
    """An invalid picture, such as one with EXIF, is refused if its pack is new."""
    entries = entries_of("wallpapers")
    exif = PICTURE[:20] + segment(0xE1, b"Exif\0\0") + PICTURE[20:]
    entries["waves"] |= {"length": len(exif), "sha256": hashlib.sha256(exif).hexdigest()}
    made, files = make_pack_role("content", {"wallpapers": entries}, pictures={"waves": exif})
    with pytest.raises(FormatError, match="'waves' of wallpapers: a picture has a segment FFE1"):
        check_packs("content", None, made, files.__getitem__)
    check_packs("content", made, made, files.__getitem__)
    entries["waves"]["width"] = 65
    made, files = make_pack_role("content", {"wallpapers": entries}, pictures={"waves": PICTURE})
    entries["waves"] |= {"length": len(PICTURE), "sha256": hashlib.sha256(PICTURE).hexdigest()}
    made, files = make_pack_role("content", {"wallpapers": entries})
    with pytest.raises(FormatError, match="is 64x64, not 65x64"):
        check_packs("content", None, made, files.__getitem__)


def test_unknown_kind_is_refused():
    """A pack of an unknown kind has no entries, whatever its content."""
    with pytest.raises(FormatError, match="'jokes' is not a kind"):
        check_entries("jokes", {}, ())
