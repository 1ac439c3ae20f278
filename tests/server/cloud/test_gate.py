"""The bodies that the gate accepts: ciphertext, but no containers and no text."""

import base64
import hashlib
import lzma
import os
import random
import zlib

from server.cloud.gate import LEAST, MAX_SIGMA, looks_random, measure_sigma
from tests.cases import case
from tests.server.cloud.device import change, make_item

DRAWN = random.Random(1)
NOISE = DRAWN.randbytes(70_000)
TEXT = b" ".join(
    DRAWN.choice([b"saya", b"rumah", b"08123", b"jalan", b"ibu"]) for _ in range(90_000)
)
CARD = b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ani %d\r\nTEL:+62 812 %d\r\nEND:VCARD\r\n"
VCARD = b"".join(CARD % (DRAWN.randrange(10**6), DRAWN.randrange(10**8)) for _ in range(9000))
AGE = (
    b"age-encryption.org/v1\n-> X25519 TEiF0ypqr+bpvcqXNyCVJpL7OuwPdVwPL7KQEbFDOCc\n"
    b"EmECAEcKN+n/Vs9SbWiV+Hu0r+E8R77DdWYyd83nw7U\n--- " + b"V" * 43 + b"\n"
)
#: Each fifth byte is zero, except for those at each seventh place, which a sample might use.
FIFTH = bytes(
    0 if number % 5 == 0 and number % 7 else byte for number, byte in enumerate(NOISE[:1050])
)
#: A body, and the range of the standard deviations measured in its first 64 KiB.
PASSING = {
    "ciphertext of 1 KiB": (NOISE[:1024], 0, 5),
    "ciphertext of 64 KiB": (NOISE, 0, 5),
    "an age file": (AGE + NOISE, 0, 5),
    "text of less than 1 KiB": (TEXT[: LEAST - 1], 50, 2000),
}
REFUSED = {
    "vCard": (VCARD, 5000, 50_000),
    "text": (TEXT, 5000, 90_000),
    "text of 1 KiB": (TEXT[:LEAST], 50, 2000),
    "base64 of 1 KiB": (base64.b64encode(NOISE[:798]), 100, 200),
    "zeros in each fifth place": (FIFTH, 50, 2000),
    "deflate": (zlib.compress(VCARD, 9), 20, 5000),
    "zeros": (bytes(LEAST), 1000, 50_000),
    "an age file's header before text": (AGE + TEXT, 5000, 90_000),
    # Their bytes look random; their first bytes identify them.
    "JPEG": (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + NOISE, 0, MAX_SIGMA),
    "LZMA": (lzma.compress(NOISE, lzma.FORMAT_ALONE), 0, MAX_SIGMA),
    "xz": (lzma.compress(NOISE), 0, MAX_SIGMA),
    "WebP": (b"RIFF\x00\x11\x01\x00WEBPVP8 " + NOISE, 0, MAX_SIGMA),
    "HEIC": (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00" + NOISE, 0, MAX_SIGMA),
    "ZIP": (b"PK\x03\x04\x14\x00\x00\x00\x08\x00" + NOISE, 0, MAX_SIGMA),
    "PNG": (b"\x89PNG\r\n\x1a\n" + NOISE, 0, MAX_SIGMA),
}


def test_only_ciphertext_passes():
    """A body is refused by its byte counts, or by its first bytes if the counts look random."""
    for name, (body, least, most) in {**PASSING, **REFUSED}.items():
        with case(name):
            assert looks_random(body) == (name in PASSING)
            assert least <= measure_sigma(body.removeprefix(AGE)[: 64 * 1024]) <= most


def test_no_ciphertext_is_refused_by_chance():
    """The largest deviation of 3,000 random bodies is far from the limit."""
    sizes = (1024, 1064, 4096)
    assert max(measure_sigma(DRAWN.randbytes(size)) for size in sizes for _ in range(1000)) < 5.5


async def test_all_apis_refuse_unencrypted_bodies(cloud):
    """Items, chunks and encrypted kinds of objects are refused, and nothing of them is stored."""
    device = await cloud.device()
    collection = (await device.create())["uid"]
    item = make_item(os.urandom(100))
    described = change(item, meta=TEXT[:2000])
    path = f"collection/{collection}/item"
    for refused in (
        await device.batch(collection, make_item(TEXT[:5000])),
        await device.batch(collection, *(make_item(NOISE) for _ in range(5)), make_item(VCARD)),
        await device.batch(collection, item, described),
        await device.call("PUT", f"{path}/{item['uid']}/chunk/{'c' * 43}/", raw=TEXT[:5000]),
    ):
        assert (refused[0], refused[1]["code"]) == (422, "not_ciphertext")
    assert (await device.call("GET", f"{path}/"))[1]["data"] == []
    program = await device.program()
    assert (await program.ask("POST", "photos/?create=true"))[0] == 200
    for kind, body, status in (
        ("data", TEXT[:200_000], 422),
        ("data", TEXT[:5000], 422),
        ("index", VCARD, 422),
        ("keys", TEXT[:5000], 200),
        ("data", NOISE, 200),
    ):
        name = hashlib.sha256(body).hexdigest()
        path = f"photos/{kind}/{name}"
        assert (await program.ask("POST", path, body))[0] == status, kind
        assert (await program.ask("HEAD", path))[0] == (200 if status == 200 else 404)
    assert [each.name for each in (cloud.folder / "bodies").rglob(".tmp-*")] == []
