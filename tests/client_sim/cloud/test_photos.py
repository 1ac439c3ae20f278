"""Photos: the facts in a file, its pieces, and the merge of two versions of a record."""

import base64
import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from client_sim.cloud.age import Identity
from client_sim.cloud.errors import RecordError
from client_sim.cloud.photos import (
    PIECE,
    PREVIEW,
    Photo,
    Piece,
    cut_photo,
    decode_photo,
    encode_photo,
    encrypt_piece,
    make_jpeg,
    make_photo,
    merge_photos,
    open_piece,
    read_facts,
)
from client_sim.persona import Photo as PersonaPhoto
from tests.cases import case

PLANTED = PersonaPhoto("IMG_1.jpg", "-5.123456", "110.654321", 1_767_225_600)
HEIC = b"\0\0\0\x18ftypheic" + bytes(100)
IDENTITY = Identity(bytes(range(32)))


def make_camera_jpeg():
    """Return a JPEG written by Pillow, with time and place."""
    exif = Image.Exif()
    exif[0x0132] = "2020:01:01 00:00:00"
    exif.get_ifd(0x8769)[0x9003] = "2026:03:20 10:11:12"
    place = exif.get_ifd(0x8825)
    place[1], place[2], place[3], place[4] = "S", (6.0, 12.0, 36.0), "E", (106.0, 48.0, 0.0)
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "green").save(out, "JPEG", exif=exif)
    return out.getvalue()


def test_exif_of_another_writer():
    """The time is that of taking the photo, not that of its last change."""
    facts = read_facts(make_camera_jpeg())
    assert (facts.type, facts.taken) == ("image/jpeg", "2026-03-20T10:11:12")
    assert (facts.latitude, facts.longitude) == ("-6.210000", "106.800000")


def test_planted_photos_are_valid_jpegs():
    """A planted photo is a valid JPEG for Pillow, with the owner's time and place."""
    data = make_jpeg(PLANTED)
    image = Image.open(io.BytesIO(data))
    image.load()
    assert (image.format, image.size) == ("JPEG", (8, 8))
    assert float(image.getexif().get_ifd(0x8825)[4][2]) == pytest.approx(654321 * 0.0036)
    photo = make_photo("x/IMG_1.jpg", data)
    assert (photo.name, photo.latitude, photo.longitude) == ("IMG_1.jpg", "-5.123456", "110.654321")
    assert photo.taken == "2026-01-01T00:00:00"
    assert photo.sha256 == hashlib.sha256(data).hexdigest()


def test_heic_and_other_formats():
    """HEIC has no preview; files other than JPEG and HEIC are refused."""
    assert make_photo("a.heic", HEIC).preview == ""
    assert read_facts(HEIC).type == "image/heic"
    with pytest.raises(RecordError, match="neither JPEG nor HEIC"):
        make_photo("a.png", b"\x89PNG")


@given(st.binary(max_size=300), st.integers(0, 400))
def test_damaged_metadata_is_ignored(junk, place):
    """A file with arbitrary bytes in its metadata is still accepted as a JPEG."""
    data = make_jpeg(PLANTED)
    damaged = data[:place] + junk + data[place + len(junk) :]
    assert read_facts(b"\xff\xd8" + damaged[2:]).type == "image/jpeg"


def test_pieces_round_trip():
    """Pieces are at most 12 % longer than the photo, which is restored from them."""
    for length in (1, 2, 1000, 3_000_000, PIECE, PIECE + 1):
        with case(length):
            data = bytes(range(256)) * (length // 256 + 1)
            data = data[:length]
            parts = []
            for size, padded in cut_photo(data):
                assert size <= len(padded) <= max(2, size * 1.12)
                name, file = encrypt_piece(padded, IDENTITY.recipient, bytes(32))
                parts.append(open_piece(Piece(name, size), file, IDENTITY))
            assert b"".join(parts) == data
            assert len(parts) == -(-length // PIECE)


def test_merged_fields():
    """Of each field the later change is used; the content never changes."""
    base = Photo("a.jpg", "image/jpeg", 1, "0" * 64, latitude="1", pieces=[Piece("0" * 64, 1)])
    mine, theirs = (
        encode_photo(Photo(name, "image/jpeg", 1, "0" * 64, latitude=at, pieces=base.pieces))
        for name, at in (("b.jpg", "1"), ("c.jpg", "2"))
    )
    for later, name in ((True, "b.jpg"), (False, "c.jpg")):
        merged = decode_photo(merge_photos(encode_photo(base), mine, theirs, mine_is_later=later))
        assert (merged.name, merged.latitude, merged.pieces) == (name, "2", base.pieces)


def test_names_with_a_path_are_refused():
    """A name with a path is refused, because exports use it as a file name."""
    for name in ("../a", "a/b", ".hidden", "/etc/passwd", ""):
        with case(name), pytest.raises(RecordError):
            decode_photo(encode_photo(Photo(name, "image/jpeg", 1, "0" * 64)))


def test_size_limit_of_previews():
    """A preview of up to 12 KiB is used, a larger one is not."""
    for length, is_kept in ((1000, True), (PREVIEW + 1, False)):
        data = _with_thumbnail(b"\xff\xd8" + bytes(length - 2))
        preview = base64.b64decode(make_photo("a.jpg", data).preview)
        assert len(preview) == (length if is_kept else 0)


def _with_thumbnail(picture):
    """Return a JPEG whose second EXIF directory has a small picture, written by hand."""
    head = b"II*\0\x08\0\0\0" + b"\0\0" + b"\x0e\0\0\0"
    entries = b"".join(
        tag.to_bytes(2, "little") + b"\4\0\1\0\0\0" + value.to_bytes(4, "little")
        for tag, value in ((0x0201, 44), (0x0202, len(picture)))
    )
    block = head + b"\2\0" + entries + b"\0\0\0\0"
    block = block.ljust(44, b"\0") + picture
    body = b"Exif\0\0" + block
    return b"\xff\xd8\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + b"\xff\xd9"
