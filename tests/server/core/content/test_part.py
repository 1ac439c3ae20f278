"""Parts: the part of an entry, and bytes that are no part."""

import contextlib
import json
import lzma

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.core.content.part import (
    check_key,
    decode_part,
    encode_part,
    join_parts,
    part_of,
    split_entries,
)
from server.core.errors import FormatError

KEYS = st.text("abcXYZ019._/+-", min_size=1, max_size=64)


def packed(document):
    """Return bytes of xz around JSON, or around bytes as they are."""
    if not isinstance(document, bytes):
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        document = text.encode() + b"\n"
    return lzma.compress(document, lzma.FORMAT_XZ, lzma.CHECK_CRC32, preset=6)


def part(**changes):
    """Return the only part of notices, with one entry."""
    return {"entries": {"a": {"b": 1}}, "kind": "notices", "part": 0, "schema": 1} | changes


@pytest.mark.parametrize(
    ("kind", "key", "number"),
    [("zones", "Asia/Jakarta", 3), ("apn", "510-10", 14), ("emergency", "ID", 0)],
)
def test_the_part_of_a_key(kind, key, number):
    """The vectors of FORMATS.md section 15."""
    assert part_of(kind, key) == number


@pytest.mark.parametrize("key", ["", "a b", "ä", "a\n", "a" * 65, "a*", "a\\b", "a:b"])
def test_what_is_no_key(key):
    """Other characters, none at all, or more than 64."""
    with pytest.raises(FormatError, match="not a key"):
        check_key(key)
    with pytest.raises(FormatError, match="not a key"):
        split_entries("notices", {key: {}})
    with pytest.raises(FormatError, match="not a key"):
        decode_part("notices", 0, packed(part(entries={key: {}})))


@settings(max_examples=15)  # sixteen streams each
@given(st.dictionaries(KEYS, st.just({"a": 1}), max_size=30), st.sampled_from(["zones", "themes"]))
def test_parts_hold_all_entries_and_come_back(entries, kind):
    """Each entry is in one part, and an empty part is valid."""
    parts = split_entries(kind, entries)
    encoded = [encode_part(kind, number, each) for number, each in enumerate(parts)]
    assert len(parts) == {"zones": 16, "themes": 1}[kind]
    assert join_parts(kind, encoded) == entries


def test_a_part_is_the_canonical_json_of_section_15():
    """Compressed with xz; keys are sorted, without white space."""
    assert lzma.decompress(encode_part("notices", 0, {"b": {}, "a": {"c": "ü"}})) == (
        '{"entries":{"a":{"c":"ü"},"b":{}},"kind":"notices","part":0,"schema":1}\n'.encode()
    )


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (packed(part(kind="themes")), "says that it is part 0 of 'themes'"),
        (packed(part(part=1)), "says that it is part 1"),
        (packed(part(part=True)), "malformed"),
        (packed(part(schema=2)), "malformed"),
        (packed(part(more=1)), "malformed"),
        (packed(part(entries=[])), "malformed"),
        (packed(part(entries={"a": 1})), "malformed"),
        (packed(part(entries={str(n): {} for n in range(20_001)})), "malformed"),
        (packed([]), "malformed"),
        (packed(part(entries={"a": {"b": 1.5}})), "not an integer"),
        (packed(part(entries={"a": {"b": float("nan")}})), "not an integer"),
        (
            packed(b'{"entries":{},"entries":{},"kind":"notices","part":0,"schema":1}\n'),
            "canonical",
        ),
        (packed(b'{ "entries":{},"kind":"notices","part":0,"schema":1}\n'), "canonical"),
        (packed(b'{"entries":{},"kind":"notices","part":0,"schema":1}'), "canonical"),
        (packed(b'{"entries":{},"kind":"notices","part":0,"schema":1}\n\n'), "canonical"),
        (packed(b"[" * 1_000_000), "cannot be read"),
        (packed(b"[" * 17 + b"]" * 17 + b"\n"), "nested deeper"),
        (packed(b'"\\ud800"\n'), "cannot be written|canonical"),
        (packed(b"\xff"), "cannot be read"),
        (packed(b"1" * 5000 + b"\n"), "cannot be read"),
        (packed(part()) * 2, "goes on"),
    ],
)
def test_hostile_parts_are_refused(data, sentence):
    """Of another kind or number, not canonical, deep, with floats or duplicate members."""
    with pytest.raises(FormatError, match=sentence):
        decode_part("notices", 0, data)


def test_an_entry_in_the_wrong_part_is_refused():
    """Both reading and writing refuse it: Asia/Jakarta belongs into part 3."""
    wrong = part(entries={"Asia/Jakarta": {}}, kind="zones", part=4)
    with pytest.raises(FormatError, match="holds Asia/Jakarta, which belongs into part 3"):
        decode_part("zones", 4, packed(wrong))
    with pytest.raises(FormatError, match=r"part 4 of zones cannot be written: .*belongs into"):
        encode_part("zones", 4, {"Asia/Jakarta": {}})


def test_an_unknown_kind_has_no_parts():
    """The message lists the known kinds."""
    with pytest.raises(FormatError, match="'jokes' is no kind of pack; there are apn,"):
        part_of("jokes", "a")


@given(st.binary(max_size=300))
def test_any_bytes_raise_only_our_error(data):
    """Also inside a valid xz stream."""
    with contextlib.suppress(FormatError):
        decode_part("notices", 0, packed(data or b"\0"))
