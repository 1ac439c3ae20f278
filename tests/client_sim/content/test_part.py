"""Parts: one xz stream of canonical JSON, within limits of bytes and memory."""

import lzma
import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.content.kinds import KINDS, part_of
from client_sim.content.part import DECODED_LIMIT, ENCODED_LIMIT, decode_part
from client_sim.device.errors import ContentError
from tests.client_sim.content.packs import canonical, compress, encode_part

ZONES = KINDS["zones"]
ENTRIES = {"Asia/Jakarta": {"link": "x"}}
GOOD = encode_part("zones", 3, ENTRIES)
VALUE = {"entries": ENTRIES, "kind": "zones", "part": 3, "schema": 1}


# FORMATS section 15, the table of keys.
@pytest.mark.parametrize(
    ("key", "parts", "part"), [("Asia/Jakarta", 16, 3), ("510-10", 16, 14), ("ID", 4, 0)]
)
def test_a_key_has_its_part(key, parts, part):
    """By the first byte of its hash."""
    assert part_of(key, parts) == part


def test_a_part_is_read():
    """Its entries by key; a part may have none."""
    assert decode_part(GOOD, ZONES, 3) == ENTRIES
    assert decode_part(encode_part("zones", 5, {}), ZONES, 5) == {}


@pytest.mark.parametrize(("kind", "part"), [("zones", 2), ("zones", 4), ("apn", 3), ("ca", 3)])
def test_another_part_is_refused(kind, part):
    """Of another number or kind: neither can be put in the other's place."""
    with pytest.raises(ContentError, match="another one"):
        decode_part(GOOD, KINDS[kind], part)


def filtered(filters, check=lzma.CHECK_CRC32):
    """Return a good part, compressed in another way."""
    return lzma.compress(canonical(VALUE), lzma.FORMAT_XZ, check, filters=filters)


CONTAINERS = {
    "nothing": b"",
    "no xz": b"hello" * 9,
    "the old format": lzma.compress(canonical(VALUE), lzma.FORMAT_ALONE),
    "no check": compress(canonical(VALUE), check=lzma.CHECK_NONE),
    "another check": compress(canonical(VALUE), check=lzma.CHECK_CRC64),
    "a filter before": filtered([{"id": lzma.FILTER_DELTA}, {"id": lzma.FILTER_LZMA2}]),
    "a dictionary of 12 MiB": filtered([{"id": lzma.FILTER_LZMA2, "dict_size": 12 << 20}]),
    "a dictionary of a gigabyte": filtered([{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}]),
    "two streams": GOOD + GOOD,
    "padding": GOOD + bytes(4),
    "a byte in front": b"x" + GOOD,
    "a byte behind": GOOD + b"x",
    "no block": compress(b"")[:12] + compress(b"")[12:],
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_all_else_that_xz_could_be_is_refused(name):
    """One form alone; and nothing beyond it is decoded."""
    with pytest.raises(ContentError):
        decode_part(CONTAINERS[name], ZONES, 3)


@pytest.mark.parametrize(
    "text",
    [
        canonical(VALUE)[:-1],
        canonical(VALUE) + b"\n",
        b" " + canonical(VALUE),
        canonical(VALUE).replace(b'"schema":1', b'"schema":1,"schema":1'),
        canonical(VALUE).replace(b'"schema":1', b'"schema":1.0'),
        canonical(VALUE).replace(b'"schema":1', b'"schema":true'),
        canonical(VALUE).replace(b'"part":3', b'"part":3.0'),
        canonical(VALUE).replace(b'"link":"x"', b'"link":1.5'),
        canonical(VALUE).replace(b'"link":"x"', b'"link":NaN'),
        canonical(VALUE).replace(b'"link":"x"', b'"link":"\\ud800"'),
        canonical(VALUE).replace(b'"link":"x"', b'"link":"\\u0041"'),
        canonical(VALUE).replace(b'"link":"x"', b'"link":"\xff"'),
        canonical(VALUE).replace(b"Asia/Jakarta", b"Asia/Tokyo"),
        canonical(VALUE).replace(b"Asia/Jakarta", b"Asia/ Jakarta"),
        canonical({**VALUE, "more": 1}),
        canonical({**VALUE, "entries": []}),
        canonical({**VALUE, "schema": 2}),
        canonical([VALUE]),
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 5_000 + b"\n",
        b"\xef\xbb\xbf" + canonical(VALUE),
    ],
)
def test_one_value_has_one_encoding(text):
    """Whatever an encoder would not have written is refused."""
    with pytest.raises(ContentError):
        decode_part(compress(text), ZONES, 3)


def test_a_bomb_is_stopped_when_it_opens():
    """300 MiB in 45 kB: two MiB are decoded, and no more memory is taken than that needs."""
    bomb = compress(bytes(300 << 20), preset=0)
    assert len(bomb) < ENCODED_LIMIT
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ContentError, match="more than any"):
        decode_part(bomb, ZONES, 3)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_limits_are_reached_and_not_passed():
    """One byte more than decoded or encoded parts may have."""
    for spare, is_good in ((0, True), (1, False)):
        empty = canonical({**VALUE, "entries": {"Asia/Jakarta": ""}})
        text = canonical(
            {**VALUE, "entries": {"Asia/Jakarta": "a" * (DECODED_LIMIT - len(empty) + spare)}}
        )
        assert len(text) == DECODED_LIMIT + spare
        if is_good:
            assert decode_part(compress(text), ZONES, 3)
        else:
            with pytest.raises(ContentError):
                decode_part(compress(text), ZONES, 3)
    with pytest.raises(ContentError, match="longer"):
        decode_part(GOOD.ljust(ENCODED_LIMIT + 1, b"\0"), ZONES, 3)


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_changed_byte_is_noticed(place, change):
    """Wherever it is; the check of the container included."""
    data = GOOD[:place] + bytes((GOOD[place] ^ change,)) + GOOD[place + 1 :]
    with pytest.raises(ContentError):
        decode_part(data, ZONES, 3)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(content):
    """Bare, and as what a container holds."""
    for data in (content, compress(content), GOOD[:12] + content):
        with pytest.raises(ContentError):
            decode_part(data, ZONES, 3)
