"""Parts of packs: one bounded stream of xz with canonical JSON, and the part of a key."""

import hashlib
import json
import lzma
import resource
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_sim.content import kinds as phone_kinds
from client_sim.content.index import decode_part as decode_on_phone
from client_sim.content.index import encode_canonical
from server.core.content.part import (
    DECODED_LIMIT,
    ENCODED_LIMIT,
    check_key,
    decode_part,
    decode_xz,
    encode_part,
    encode_xz,
    join_parts,
    part_of,
    split_entries,
)
from server.core.errors import FormatError
from tests.cases import case
from tests.content.judges import Rule

#: A small dictionary: that of `encode_part` takes 80 ms for each stream, however short.
LZMA2 = {"id": lzma.FILTER_LZMA2, "preset": 0}
PART = Rule(
    decode_part, lambda kind, number, data: decode_on_phone(data, phone_kinds.KINDS[kind], number)
)


def compress(data, check=lzma.CHECK_CRC32, filters=(LZMA2,)):
    """Return a stream with this check and these filters."""
    return lzma.compress(data, lzma.FORMAT_XZ, check, filters=list(filters))


def canonical(document):
    """Return a document as JSON of section 1 of FORMATS."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode() + b"\n"


def part(**changes):
    """Return the only part of notices, with one entry."""
    return {"entries": {"a": {"b": 1}}, "kind": "notices", "part": 0, "schema": 1} | changes


GOOD = compress(canonical(part()))


def test_the_part_of_a_key() -> None:
    """A key's part is that of the vectors in FORMATS section 15; other keys are refused."""
    vectors = [("zones", "Asia/Jakarta", 3), ("apn", "510-10", 14), ("emergency", "ID", 0)]
    for kind, key, number in vectors:
        assert part_of(kind, key) == number
        assert phone_kinds.part_of(key, phone_kinds.KINDS[kind].parts) == number
    with pytest.raises(FormatError, match="'jokes' is not a kind of pack; the kinds are apn,"):
        part_of("jokes", "a")
    for key in ("", "a b", "ä", "a\n", "a" * 65, "a*", "a\\b", "a:b"):
        with pytest.raises(FormatError, match="not a key"):
            check_key(key)
        with pytest.raises(FormatError, match="not a key"):
            split_entries("notices", {key: {}})
        PART.check_refused(
            "notices", 0, compress(canonical(part(entries={key: {}}))), server="not a key"
        )


@settings(max_examples=15)  # sixteen streams each
@given(
    st.dictionaries(
        st.text("abcXYZ019._/+-", min_size=1, max_size=64), st.just({"a": 1}), max_size=30
    ),
    st.sampled_from(["zones", "themes"]),
)
def test_part_round_trip(entries, kind):
    """Each entry is in one part, and an empty part is valid."""
    parts = split_entries(kind, entries)
    encoded = [encode_part(kind, number, each) for number, each in enumerate(parts)]
    assert len(parts) == {"zones": 16, "themes": 1}[kind]
    assert join_parts(kind, encoded) == entries
    for number, (data, held) in enumerate(zip(encoded, parts, strict=True)):
        assert decode_on_phone(data, phone_kinds.KINDS[kind], number) == held


def test_part_encoding() -> None:
    """A part is canonical JSON in xz, and is valid only under its own kind and number."""
    entries = {"b": {}, "a": {"c": "ü"}}
    assert lzma.decompress(encode_part("notices", 0, entries)) == (
        '{"entries":{"a":{"c":"ü"},"b":{}},"kind":"notices","part":0,"schema":1}\n'.encode()
    )
    assert encode_canonical(part(entries=entries)) == canonical(part(entries=entries))
    entries = {"Asia/Jakarta": {"link": "x"}}
    good = encode_part("zones", 3, entries)
    assert PART.accepts("zones", 3, good)
    for kind, number in (("zones", 2), ("zones", 4), ("apn", 3), ("ca", 3)):
        assert not PART.accepts(kind, number, good)
    wrong = compress(canonical(part(entries=entries, kind="zones", part=4)))
    PART.check_refused("zones", 4, wrong, server="holds Asia/Jakarta, which belongs in part 3")
    with pytest.raises(FormatError, match=r"part 4 of zones cannot be written: .*belongs in"):
        encode_part("zones", 4, entries)


TEXT = canonical(part())


def hostile():
    """Return decompressed bytes, and the server's message for each."""
    return [
        (canonical(part(kind="themes")), "says that it is part 0 of 'themes'"),
        (canonical(part(part=1)), "says that it is part 1"),
        *((canonical(part(**{name: True})), "malformed") for name in ("part", "schema")),
        (canonical(part(schema=2)), "malformed"),
        (canonical(part(more=1)), "malformed"),
        (canonical(part(entries=[])), "malformed"),
        (canonical(part(entries={str(n): {} for n in range(20_001)})), "malformed"),
        (canonical([part()]), "malformed"),
        (TEXT.replace(b'"schema":1', b'"schema":1.0'), "not an integer"),
        (TEXT.replace(b'"part":0', b'"part":0.0'), "not an integer"),
        (canonical(part(entries={"a": {"b": 1.5}})), "not an integer"),
        (canonical(part(entries={"a": {"b": float("nan")}})), "not an integer"),
        (TEXT.replace(b'"schema":1', b'"schema":1,"schema":1'), "canonical"),
        (b" " + TEXT, "canonical"),
        (TEXT[:-1], "canonical"),
        (TEXT + b"\n", "canonical"),
        (TEXT.replace(b'"b":1', b'"b":"\\u0041"'), "canonical"),
        (TEXT.replace(b'"b":1', b'"b":"\\ud800"'), "cannot be written|canonical"),
        (TEXT.replace(b'"b":1', b'"b":"\xff"'), "cannot be read"),
        (b"[" * 1_000_000, "cannot be read"),
        (b'{"a":' * 100_000, "cannot be read"),
        (b"[" * 17 + b"]" * 17 + b"\n", "nested deeper"),
        (b"\xef\xbb\xbf" + TEXT, "cannot be read|canonical"),
        (b"1" * 5000 + b"\n", "cannot be read"),
    ]


def test_hostile_parts_are_refused():
    """Other kinds and numbers, and JSON that is not canonical or too deep, are refused."""
    for text, message in hostile():
        with case(text[:90]):
            PART.check_refused("notices", 0, compress(text), server=message)


def containers():
    """Return streams, and the server's message for each."""
    return [
        (b"", "holds nothing"),
        (b"hello" * 9, "cannot be decoded"),
        (compress(b""), "holds nothing"),
        (GOOD[:-1], "ends before"),
        (GOOD + b"x", "bytes after its stream"),
        (GOOD + bytes(4), "bytes after its stream"),
        (GOOD + GOOD, "bytes after its stream"),
        (b" " + GOOD, "cannot be decoded"),
        (lzma.compress(TEXT, lzma.FORMAT_ALONE), "cannot be decoded"),
        (compress(TEXT, lzma.CHECK_NONE), "a check other than"),
        (compress(TEXT, lzma.CHECK_CRC64), "a check other than"),
        (compress(TEXT, lzma.CHECK_SHA256), "a check other than"),
        (compress(TEXT, filters=[{"id": lzma.FILTER_DELTA}, LZMA2]), "only LZMA2"),
        (compress(TEXT, filters=[{"id": lzma.FILTER_X86}, LZMA2]), "only LZMA2"),
        (compress(TEXT, filters=[LZMA2 | {"dict_size": 12 << 20}]), "at most 8 MiB"),
        (compress(TEXT, filters=[LZMA2 | {"dict_size": 64 << 20}]), "cannot be decoded"),
        (compress(TEXT, filters=[LZMA2 | {"dict_size": 1 << 30}]), "cannot be decoded"),
        (compress(bytes(DECODED_LIMIT + 1)), "more than 2097152"),
        (GOOD.ljust(ENCODED_LIMIT + 1, b"\0"), "over 262144"),
    ]


def test_other_xz_streams_are_refused():
    """Other checks and filters, large dictionaries, and bytes around the stream are refused."""
    assert PART.accepts("notices", 0, GOOD)
    for data, message in containers():
        with case(data[:40]):
            PART.check_refused("notices", 0, data, server=message)


def test_size_limits() -> None:
    """A part has at most 2 MiB, or 256 KiB in xz; decoding a bomb takes little memory."""
    room = DECODED_LIMIT - len(canonical(part(entries={"a": {"b": ""}})))
    assert PART.accepts("notices", 0, compress(canonical(part(entries={"a": {"b": "a" * room}}))))
    more = compress(canonical(part(entries={"a": {"b": "a" * (room + 1)}})))
    assert not PART.accepts("notices", 0, more)
    for data in (b"", bytes(DECODED_LIMIT + 1)):
        with pytest.raises(FormatError, match="are allowed"):
            encode_xz(data)
    with pytest.raises(FormatError, match="in xz are over 262144"):
        encode_xz(hashlib.shake_256(b"").digest(300_000))
    packer = lzma.LZMACompressor(lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=[LZMA2])
    bomb = b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(128)), packer.flush()])
    assert len(bomb) < ENCODED_LIMIT
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert not PART.accepts("notices", 0, bomb)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def xz(data, *options):
    """Return the output of the program `xz` for `data`."""
    command = ["xz", *(options or ["-dc"])]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


@pytest.mark.needs("xz")
def test_xz_reads_and_writes_parts():
    """`xz` decompresses parts, and parts that it wrote with several threads are accepted."""
    text = canonical(part(entries={f"{number}": {"b": number} for number in range(999)}))
    encoded = encode_xz(text)
    assert xz(encoded) == text == decode_xz(encoded)
    assert encode_xz(text) == encoded
    for options in (["-6", "-T1"], ["-0", "-T2"], ["-9", "--lzma2=preset=6,dict=8MiB"]):
        assert PART.accepts("notices", 0, xz(text, "-zc", "--check=crc32", *options)), options
    blocks = xz(text, "-zc", "--check=crc32", "--block-size=9999")
    PART.check_refused("notices", 0, blocks, server="exactly one block")


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255), st.binary(max_size=200))
def test_changed_and_arbitrary_bytes_are_refused(place, change, noise):
    """A part with any changed byte is refused, and so are arbitrary bytes, also in xz."""
    changed = GOOD[:place] + bytes((GOOD[place] ^ change,)) + GOOD[place + 1 :]
    for data in (changed, noise, compress(noise), GOOD[:12] + noise):
        assert not PART.accepts("notices", 0, data)
