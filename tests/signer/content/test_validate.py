"""Which packs may be signed."""

import hashlib
import io

import pytest
from PIL import Image

from signer.content.errors import ContentError
from signer.content.validate import check_packs_to_sign
from tests.server.core.content.samples import HOSTS, KINDS, NEWS, PICTURE, entries_of, jpeg
from tests.signer.content.packs import make


def pictured(picture, **changes):
    """Return a pack of one wallpaper with that picture."""
    entry = entries_of("wallpapers")["waves"] | changes
    entry |= {"length": len(picture), "sha256": hashlib.sha256(picture).hexdigest()}
    return make("wallpapers", {"waves": entry}, pictures={"waves": picture})


def encode(**options):
    """Return a picture as Pillow writes it."""
    octets = io.BytesIO()
    Image.effect_mandelbrot((80, 64), (-2, -1.5, 1, 1.5), 40).convert(
        options.pop("mode", "RGB")
    ).save(octets, "JPEG", **options)
    return octets.getvalue()


def test_sound_packs_may_be_signed() -> None:
    """One of each kind together."""
    check_packs_to_sign([make(kind) for kind in KINDS], HOSTS)


def test_a_kind_is_given_once() -> None:
    """Which of two would be meant, nobody knows."""
    with pytest.raises(ContentError, match="given twice"):
        check_packs_to_sign([make("notices"), make("notices")], HOSTS)


def test_entries_are_judged() -> None:
    """By their kind's rules, with the hosts that are given."""
    with pytest.raises(ContentError, match=r"'end-of-support' of notices: .*not an allowed host"):
        check_packs_to_sign([make("notices")], [])
    with pytest.raises(ContentError, match="'A' of features: the key"):
        check_packs_to_sign([make("features", {"A": NEWS})], HOSTS)


def test_a_theme_is_held_against_the_wallpapers_that_there_are() -> None:
    """Those beside it, or those that are published; where nobody can tell, it passes."""
    check_packs_to_sign([make("themes")], ())
    check_packs_to_sign([make("themes")], (), ["waves"])
    for arguments in (
        [[make("themes")], (), []],
        [[make("themes"), make("wallpapers", {}, pictures={})], ()],
    ):
        with pytest.raises(ContentError, match="no wallpaper 'waves'"):
            check_packs_to_sign(*arguments)


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"mode": "L"}, {"quality": 95, "subsampling": 0}]
)
def test_pictures_as_pillow_writes_them(options) -> None:
    """Baseline, progressive, grey, without subsampling."""
    check_packs_to_sign([pictured(encode(**options), width=80)], ())


@pytest.mark.parametrize(
    ("picture", "sentence"),
    [
        (encode(exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"), "FFE1"),
        (encode(comment=b"by me"), "FFFE"),
        (encode(icc_profile=b"profile"), "FFE2"),
        (encode(mode="CMYK"), "FFEE|8 bits in 1 or 3"),
        (jpeg(128, 64), "is 128x64, not 80x64"),
    ],
)
def test_pictures_that_hold_something_else(picture, sentence) -> None:
    """Meta data, comments, profiles, four colours, another size."""
    with pytest.raises(ContentError, match=f"'waves' of wallpapers: .*(?:{sentence})"):
        check_packs_to_sign([pictured(picture, width=80)], ())


def test_pictures_and_entries_are_pairs() -> None:
    """None without the other."""
    with pytest.raises(ContentError, match="'waves' of wallpapers: a picture does not begin"):
        check_packs_to_sign([make("wallpapers", pictures={})], ())
    with pytest.raises(ContentError, match=r"picture more\.jpg has no entry"):
        check_packs_to_sign([make("wallpapers", pictures={"waves": PICTURE, "more": PICTURE})], ())


def test_a_picture_is_the_one_of_its_entry() -> None:
    """By length and hash."""
    with pytest.raises(
        ContentError, match=r"'waves' of wallpapers: .*is not of its sha256 and length"
    ):
        check_packs_to_sign(
            [make("wallpapers", pictures={"waves": jpeg()[:-2] + b"\0\xff\xd9"})], ()
        )
