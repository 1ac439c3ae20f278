"""Checks of packs before they are signed."""

import hashlib
import io

import pytest
from PIL import Image

from server.core.content.picture import picture_size
from signer.content.build import check_decodes
from signer.content.validate import check_has_enough, check_packs_to_sign
from signer.errors import ContentError
from tests import jpegs
from tests.cases import case
from tests.server.core.content.samples import HOSTS, KINDS, NEWS, PICTURE, entries_of, jpeg
from tests.signer.content.packs import make


def pictured(picture, **changes):
    """Return a pack of one wallpaper with this picture."""
    entry = entries_of("wallpapers")["waves"] | changes
    entry |= {"length": len(picture), "sha256": hashlib.sha256(picture).hexdigest()}
    return make("wallpapers", {"waves": entry}, pictures={"waves": picture})


def encode(**options):
    """Return a picture written by Pillow."""
    data = io.BytesIO()
    Image.effect_mandelbrot((80, 64), (-2, -1.5, 1, 1.5), 40).convert(
        options.pop("mode", "RGB")
    ).save(data, "JPEG", **options)
    return data.getvalue()


def test_invalid_entries_are_refused() -> None:
    """Entries follow their kind's rules and the given hosts; each kind is given once."""
    with pytest.raises(ContentError, match=r"'end-of-support' of notices: .*not an allowed host"):
        check_packs_to_sign([make("notices")], [])
    with pytest.raises(ContentError, match="'A' of features: the key"):
        check_packs_to_sign([make("features", {"A": NEWS})], HOSTS)
    linking = {**NEWS, "title": {"en": "Visit evil.com", "id": "a"}}
    with pytest.raises(ContentError, match=r"'a' of notices: en: a text holds 'evil\.com'"):
        check_packs_to_sign([make("notices", {"a": linking})], HOSTS)
    check_packs_to_sign([make(kind) for kind in KINDS], HOSTS)
    with pytest.raises(ContentError, match="given twice"):
        check_packs_to_sign([make("notices"), make("notices")], HOSTS)


def test_wallpaper_of_theme_must_exist() -> None:
    """The wallpaper is in a pack beside it or published, if that is known."""
    check_packs_to_sign([make("themes")], ())
    check_packs_to_sign([make("themes")], (), ["waves"])
    for arguments in (
        [[make("themes")], (), []],
        [[make("themes"), make("wallpapers", {}, pictures={})], ()],
    ):
        with pytest.raises(ContentError, match="no wallpaper 'waves'"):
            check_packs_to_sign(*arguments)


def test_pictures_of_pillow() -> None:
    """Baseline, progressive and grey pictures are accepted; metadata and CMYK are refused."""
    for options in ({}, {"progressive": True}, {"mode": "L"}, {"quality": 95, "subsampling": 0}):
        with case(options):
            check_packs_to_sign([pictured(encode(**options), width=80)], ())
    for picture, sentence in (
        (encode(exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"), "FFE1"),
        (encode(comment=b"by me"), "FFFE"),
        (encode(icc_profile=b"profile"), "FFE2"),
        (encode(mode="CMYK"), "FFEE|8 bits in 1 or 3"),
        (jpeg(128, 64), "is 128x64, not 80x64"),
    ):
        message = f"'waves' of wallpapers: .*(?:{sentence})"
        with case(sentence), pytest.raises(ContentError, match=message):
            check_packs_to_sign([pictured(picture, width=80)], ())


def test_pictures_match_entries() -> None:
    """Each picture has an entry with its length and hash, and each entry has a picture."""
    with pytest.raises(ContentError, match="'waves' of wallpapers: a picture does not begin"):
        check_packs_to_sign([make("wallpapers", pictures={})], ())
    with pytest.raises(ContentError, match=r"picture more\.jpg has no entry"):
        check_packs_to_sign([make("wallpapers", pictures={"waves": PICTURE, "more": PICTURE})], ())
    with pytest.raises(
        ContentError, match=r"'waves' of wallpapers: .*has another sha256 or length"
    ):
        check_packs_to_sign(
            [make("wallpapers", pictures={"waves": jpeg()[:-2] + b"\0\xff\xd9"})], ()
        )


def numbers(count):
    """Return a pack of emergency numbers of `count` countries."""
    entries = {f"A{chr(65 + each)}": {"exact": True, "numbers": ["110"]} for each in range(count)}
    return make("emergency", entries)


def test_picture_is_decoded() -> None:
    """A picture with valid segments that cannot be decoded is refused."""
    check_decodes(make("wallpapers"))
    check_decodes(make("notices"))
    components = ((1, 0x31, 0), (2, 0x21, 1), (3, 0x11, 1))
    odd = jpegs.picture(jpegs.COLOURS, jpegs.frame(*components), jpegs.scan((1, 0), (2, 0), (3, 0)))
    assert picture_size(odd) == (64, 64)
    with pytest.raises(ContentError, match="'waves' of wallpapers: its picture cannot be shown"):
        check_decodes(make("wallpapers", pictures={"waves": odd}))


def test_lost_entries() -> None:
    """An empty pack is refused; losing over a fifth of the entries needs --accept-loss."""
    with pytest.raises(ContentError, match="emergency would have no entry; is the source complete"):
        check_has_enough(numbers(0), None)
    for before, after in ((10, 8), (5, 4), (3, 3), (1, 2)):
        check_has_enough(numbers(after), numbers(before))
    for before, after in ((10, 7), (4, 3), (2, 1)):
        sentence = rf"lose {before - after} of the {before} .*1 \(.*A.\); .*--accept-loss"
        with pytest.raises(ContentError, match=sentence):
            check_has_enough(numbers(after), numbers(before))
        check_has_enough(numbers(after), None)
    with pytest.raises(ContentError, match=r"lose 19 of the 20 .*AJ, AK, .\)"):  # the list is cut
        check_has_enough(numbers(1), numbers(20))
