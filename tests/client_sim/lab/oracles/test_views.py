"""Decoded readings are bounded and keep their offsets, and their windows are complete."""

import base64
import gzip
import random
import zlib

from hypothesis import given
from hypothesis import strategies as st

from client_sim.lab.oracles import views
from client_sim.lab.oracles.views import WINDOW, View, Windows, find_windows, step_differences, view
from tests.cases import case


def readings(data):
    """Map the decoded bytes to their offset and chain."""
    return {seen.data: (seen.offset, seen.chain) for seen in view(data)}


def test_offsets_of_decodings():
    """The offset is that of the encoded bytes."""
    secret = b"a secret of the owner"
    assert readings(b"--" + gzip.compress(secret))[secret] == (2, ("gunzip",))
    assert readings(b"--" + zlib.compress(secret))[secret] == (2, ("inflate zlib",))
    assert readings(b"--" + secret.hex().encode())[secret] == (2, ("decode base16",))
    assert readings(b"--" + base64.b64encode(secret))[secret][0] == 2
    assert readings(b"q=a%20secret%20of&x")[b"a secret of"] == (2, ("unescape url",))
    raw = zlib.compressobj(wbits=-15)
    body = b"POST / HTTP/1.1\r\n\r\n" + raw.compress(secret * 3) + raw.flush()
    assert readings(body)[secret * 3] == (19, ("inflate",))


def test_offset_of_two_layers():
    """The offset is that of the outer layer."""
    secret = b"a secret of the owner"
    data = b"q=" + base64.b64encode(gzip.compress(secret))
    assert readings(data)[secret] == (2, ("decode base64", "gunzip"))


@given(st.binary(max_size=300))
def test_arbitrary_bytes_have_few_readings(data):
    """The number of readings is bounded, and the first is the bytes themselves."""
    seen = view(data)
    assert seen[0].data == data
    assert len(seen) <= 200
    assert len({one.data for one in seen}) == len(seen)


def test_number_of_readings_is_limited():
    """Thousands of encoded words have 300 readings."""
    runs = b" ".join(b"%024x" % number for number in range(5000))
    assert len(view(runs)) == 300


def test_exact_readings_of_a_text():
    """Rotations are those of `tr`; pairs are swapped from the first and the second byte on."""
    text = b"Hello, world"
    assert view(text) == (
        View((), 0, text),
        View(("reverse",), 0, b"dlrow ,olleH"),
        View(("rot13",), 0, b"Uryyb, jbeyq"),
        View(("rot47",), 0, b"w6==@[ H@C=5"),
        View(("complement",), 0, bytes(255 - byte for byte in text)),
        View(("swap pairs",), 0, b"eHll,ow rodl"),
        View(("swap pairs",), 0, b"Hleol ,owlrd"),
        View(("without spaces",), 0, b"Hello,world"),
    )


def test_exact_readings():
    """The alphabets are those of `basenc`; escapes and numbers are decoded by hand."""
    for data, name, offset, inner in (
        (b"Hello, worlds", "swap pairs", 0, b"eHll,ow rodls"),
        (b"Hello, worlds", "swap pairs", 0, b"Hleol ,owlrsd"),
        (b"H\x00e\x00l\x00l\x00o\x00!\x00", "decode utf-16", 0, b"Hello!"),
        (b"a=&#72;&#x65;llo&#300;&#xAF;", "decode html", 0, b"a=Hello&#300;\xaf"),
        (b"a=&#72;&#255;&#256;", "decode html", 0, b"a=H\xff&#256;"),
        (b"a=\\u0048\\u00fFllo", "decode json", 0, b"a=H\xffllo"),
        (b"v=72.101.108.108.111.44.32.255;", "decode decimal", 2, b"Hello, \xff"),
        (b"72,101 108.108.111.44.32.119", "decode decimal", 0, b"Hello, w"),
        (b"q=a%20b%2bcde&r=f%zz+%41234567 x", "unescape url", 2, b"a b+cde"),
        (b"q=a%20b%2bcde&r=f%zz+%41234567 x", "unescape url", 16, b"f%zz+A234567"),
        (b"-- 48656c6c6F2c20776f726c64", "decode base16", 3, b"Hello, world"),
        (b"-- SGVsbG8sIHdvcmxk", "decode base64", 3, b"Hello, world"),
        (b"--SGVsbG8sIHdvcmxk", "decode base64", 2, b"Hello, world"),
        (b"---SGVsbG8sIHdvcmxk", "decode base64", 3, b"Hello, world"),
        (b" SGVsbG8sIHdvcmw=", "decode base64", 1, b"Hello, worl"),
        (b" SGVsbG8sIHdvcg==", "decode base64", 1, b"Hello, wor"),
        (b" SGVsbG8sIHdvcm", "decode base64", 1, b"Hello, wor"),
        (b" SGVsbG8sIHdvc", "decode base64", 1, b"Hello, wo"),
        (b" -_-_-_-_-_-_", "decode base64", 1, b"\xfb\xff\xbf" * 3),
        (b" +/+/+/+/+/+/", "decode base64", 1, b"\xfb\xff\xbf" * 3),
        (b" ORSXG5BAMRSWG33EMU======", "decode base32", 1, b"test decod"),
        (b" ORSXG5BAMRSWG33E", "decode base32", 1, b"test decod"),
        (b" orsxg5bamrswg33e", "decode base32", 1, b"test decod"),
        (b" AAAAAAAORSXG5BAMRSWG33E", "decode base32", 8, b"test decod"),
    ):
        with case(data, name, offset, inner):
            assert View((name,), offset, inner) in view(data)


def test_malformed_encodings_are_not_decoded():
    """Numbers above 255, too few digits, broken escapes, short results, and invalid streams."""
    for data, name in (
        (b"72.101.108.108.111.44.32.256", "decode decimal"),
        (b"72.101.108.108.111.44.32", "decode decimal"),
        (b"&#300;", "unescape url"),
        (b"a%2", "unescape url"),
        (b"48656c6c6f2c", "decode base16"),
        (b"SGVsbG8sIHd", "decode base64"),
        (b"&#x6;&#x30;abcdef", "decode json"),
        (b"%48%65%6c%6c%6f", "unescape url"),
        (b"\x1f\x8b\x08 no gzip", "gunzip"),
        (b"\x78\x9c no zlib", "inflate zlib"),
    ):
        with case(data, name):
            assert name not in {seen.chain[0] for seen in view(data) if seen.chain}


def test_incomplete_stream_is_read_to_its_end():
    """A stream after another one, and a raw stream, are read, too."""
    packed = gzip.compress(b"a secret of the owner", mtime=0)
    assert View(("gunzip",), 1, b"a secret of the owner") in view(b"-" + packed[:-8])
    twice = gzip.compress(b"somebody", mtime=0) + packed
    assert View(("gunzip",), len(twice) - len(packed), b"a secret of the owner") in view(twice)
    raw = zlib.compressobj(wbits=-15)
    data = raw.compress(b"a secret of the owner") + raw.flush()
    assert View(("inflate",), 0, b"a secret of the owner") in view(data)
    assert View(("inflate",), 4, b"a secret of the owner") in view(b"\r\n\r\n" + data)


def test_inflated_reading_is_limited():
    """A compression bomb is read up to a million bytes."""
    (one,) = [s for s in view(gzip.compress(bytes(1_200_000), mtime=0)) if s.chain == ("gunzip",)]
    assert one.data == bytes(1_000_000)


def test_short_and_repeated_readings_are_left_out():
    """A reading has six bytes or more, and each is listed once."""
    assert [seen.chain for seen in view(b"hello")] == [()]
    assert ("reverse",) in [seen.chain for seen in view(b"hellos")]
    assert ("reverse",) not in [seen.chain for seen in view(b"abccba")]


def test_no_more_than_two_layers_are_undone():
    """Base16 in three layers is decoded to base16."""
    once = b"a secret of the owner".hex().encode()
    thrice = b"--" + once.hex().encode().hex().encode()
    assert View(("decode base16",) * 2, 2, once) in view(thrice)
    assert b"a secret of the owner" not in {seen.data for seen in view(thrice)}


def test_first_body_is_inflated():
    """A request may follow the body."""
    raw = zlib.compressobj(wbits=-15)
    body = raw.compress(b"a secret of the owner") + raw.flush()
    data = b"POST / HTTP/1.1\r\n\r\n" + body + b"GET / HTTP/1.1\r\n\r\n"
    assert View(("inflate",), 19, b"a secret of the owner") in view(data)


def test_words_are_decoded_at_each_alignment():
    """Base64 has four alignments, base32 eight."""
    for name, places in (("decode base64", 4), ("decode base32", 8)):
        with case(name, places):
            offsets = [
                seen.offset for seen in view(b" ORSXG5BAMRSWG33EMRSWG33E") if seen.chain == (name,)
            ]
            assert offsets == list(range(1, 1 + places))


def test_total_size_of_readings_is_limited(monkeypatch):
    """Readings of megabytes of digits are nearly as long as the digits."""
    data = b"0123456789abcdef" * 100
    usual = view(data)
    monkeypatch.setattr("client_sim.lab.oracles.views._BYTES", 3 * len(data))
    few = view(data)
    assert few == usual[: len(few)]
    assert 3 * len(data) < sum(len(seen.data) for seen in few) <= 4 * len(data)
    monkeypatch.setattr("client_sim.lab.oracles.views._BYTES", len(data))
    assert view(data) == usual[:2]  # the first is within the limit, and both are beyond it


def test_tried_compression_headers_are_limited(monkeypatch):
    """Each header is followed by a name without an end (RFC 1952 section 2.3.1)."""
    packed = gzip.compress(b"a secret of the owner", mtime=0)
    monkeypatch.setattr("client_sim.lab.oracles.views._FED", 200)
    endless = b"\x1f\x8b\x08\x08" * 100
    for data, is_read in ((packed + endless, True), (endless + packed, False)):
        readings = {seen.data for seen in view(data) if seen.chain == ("gunzip",)}
        assert (b"a secret of the owner" in readings) is is_read
    # The header before it is tried with all remaining bytes.
    twice = endless[:4] + packed
    for fed, is_read in ((len(twice), False), (len(twice) + 1, True)):
        monkeypatch.setattr("client_sim.lab.oracles.views._FED", fed)
        assert (View(("gunzip",), 4, b"a secret of the owner") in view(twice)) is is_read
    encoded = b" " + b"a secret of the owner".hex().encode()
    assert View(("decode base16",), 401, b"a secret of the owner") in view(endless + encoded)


def test_long_stream_is_read_whole():
    """Random bytes do not get smaller, so that they are read in several pieces."""
    secret = random.Random(1).randbytes(20_000)
    readings = {seen.data for seen in view(b"xx" + gzip.compress(secret, mtime=0))}
    assert secret in readings


def test_long_stream_is_limited_exactly(monkeypatch):
    """The limit is exact, although the last piece has more bytes."""
    monkeypatch.setattr("client_sim.lab.oracles.views._INFLATED", 10_000)
    secret = random.Random(1).randbytes(30_000)
    (one,) = [s for s in view(gzip.compress(secret, mtime=0)) if s.chain == ("gunzip",)]
    assert one.data == secret[:10_000]


def test_windows_of_all_readings():
    """The windows of the bytes, of the reversed bytes and of their differences are returned."""
    readings, windows, deltas = find_windows(b"abcdefghi")
    assert readings[0] == b"abcdefghi"
    assert b"ihgfedcba" in readings
    assert {b"abcdefgh", b"bcdefghi", b"ihgfedcb", b"hgfedcba"} <= windows
    assert {len(window) for window in windows | deltas} == {WINDOW}
    # a^b = 3, b^c = 1, c^d = 7, d^e = 1, e^f = 3, f^g = 1, g^h = 15, h^i = 1.
    assert b"\x03\x01\x07\x01\x03\x01\x0f\x01" in deltas
    assert all(any(window in text for text in readings) for window in windows)


def test_windows_of_short_texts():
    """Seven bytes have no window, eight have one, and no eight differences."""
    assert find_windows(b"abcdefg")[1:] == (frozenset(), frozenset())
    _, windows, deltas = find_windows(b"abcdefgh")
    assert b"abcdefgh" in windows
    assert deltas == frozenset()


def test_windows_of_long_texts():
    """A window begins at each byte, although many are cut in one call."""
    for length in (9, 15, 16, 519, 520, 521, 1030):
        with case(length):
            text = bytes(range(256)) * 4 + b"others"
            text = text[:length]
            _, windows, _ = find_windows(text)
            assert {text[at : at + WINDOW] for at in range(length - WINDOW + 1)} <= windows
            assert {len(window) for window in windows} == {WINDOW}


def test_step_differences():
    """The result is one byte shorter than the data."""
    for data, differences in (
        (b"", b""),
        (b"a", b""),
        (b"\x05\x03", b"\x06"),
        (b"\x00\x00\xff", b"\x00\xff"),
        (b"\xff\x00\x00", b"\xff\x00"),
        (b"\x12\x34\x56\x78", b"\x26\x62\x2e"),
    ):
        with case(data, differences):
            assert step_differences(data) == differences


def test_windows_of_several_texts():
    """The cache has the windows and differences of every text."""
    seen = Windows()
    seen.add([b"abcdefghi", b"0123456789"])
    seen.add([b"abcdefghi"])
    for text in (b"abcdefghi", b"0123456789"):
        _, windows, deltas = find_windows(text)
        assert windows <= seen.found
        assert deltas <= seen.deltas
    assert b"jklmnopq" not in seen.found


def test_windows_across_lines():
    """The cache has the windows that reach from one line into the next."""
    for end in (b"\n", b"\xf5", b"\r\n", b"\n\n"):
        with case(end):
            seen = Windows()
            texts = [
                b"abcdefghi" + end + b"0123456789" + end + rest
                for rest in (b"", b"z", b"jklmnopqr")
            ]
            for text in texts:
                seen.add([text])
            assert seen.found == frozenset().union(*(find_windows(text)[1] for text in texts))
            assert seen.deltas == frozenset().union(*(find_windows(text)[2] for text in texts))


def test_texts_and_lines_are_processed_once(monkeypatch):
    """Different texts share most of their lines."""
    viewed, cut, view = [], [], views.view
    monkeypatch.setattr(views, "view", lambda text: viewed.append(text) or view(text)[:1])
    monkeypatch.setattr(views, "step_differences", lambda line: cut.append(line) or line)
    seen = Windows()
    for end in (b"x", b"y", b"z", b"x"):
        seen.add([b"abcdefghi\n0123456789" + end])
    lasts = [b"0123456789x", b"0123456789y", b"0123456789z"]
    assert viewed == [b"abcdefghi\n" + last for last in lasts]
    assert sorted(cut) == [*lasts, b"abcdefghi\n01234567"]


def test_full_cache_is_emptied_before_adding():
    """The last texts are always in the cache, even if it had them before."""
    seen = Windows(most=1)
    for _ in range(2):
        seen.add([b"abcdefghi"])
        assert b"abcdefgh" in seen.found
        seen.add([b"5172839406"])
        assert b"51728394" in seen.found
        assert b"abcdefgh" not in seen.found


def test_cache_keeps_the_allowed_number():
    """The cache is emptied only if it has more windows than allowed."""
    one = Windows()
    one.add([b"abcdefghi"])
    seen = Windows(most=len(one.found))
    seen.add([b"abcdefghi"])
    seen.add([b"5172839406"])
    assert one.found < seen.found
