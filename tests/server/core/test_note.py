import base64
import contextlib
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from server.core.errors import FormatError, HeningError, LogError
from server.core.note import (
    VerifierKey,
    cosign_note,
    decode_base64,
    decode_verifier_key,
    encode_note,
    verify_note,
)

# The example of C2SP signed-note, and one of Go's sumdb/note package.
SPEC_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_NOTE = (
    "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONn"
    "cAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()

SEED = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = VerifierKey("log.hening.test/main", SEED.public_key().public_bytes_raw())
OTHER_SEED = Ed25519PrivateKey.from_private_bytes(bytes(32))
OTHER = VerifierKey("witness.test", OTHER_SEED.public_key().public_bytes_raw())
TEXT = "a\n\nb\n"
NOTE = encode_note(TEXT, KEY, SEED.sign)


def line(name, raw):
    """Return a signature line."""
    return f"\u2014 {name} {base64.b64encode(raw).decode()}\n".encode()


def signature(key, seed, text):
    """Return the bytes of a signature line of `text`, made without the code under test."""
    data = key.name.encode() + b"\n\x01" + key.public
    return hashlib.sha256(data).digest()[:4] + seed.sign(text.encode())


def test_the_example_of_the_specification_verifies():
    """Key and note of C2SP signed-note are read; the key is written back byte by byte."""
    key = decode_verifier_key(SPEC_KEY)
    assert (key.name, key.key_id.hex()) == ("example.com/foo", "530d903a")
    assert str(key) == SPEC_KEY
    assert verify_note(SPEC_NOTE, key) == "This is an example message.\n"


@given(st.from_regex(r"[a-z0-9.-]{1,20}(?:/[a-z0-9-]{1,10}){0,3}", fullmatch=True), st.binary())
def test_verifier_keys_are_read_back(name, raw):
    """A key has one text, and a text one key."""
    key = VerifierKey(name, hashlib.sha256(raw).digest())
    assert decode_verifier_key(str(key)) == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "++",
        "log",
        "log+530d903a",
        SPEC_KEY[:-1],
        SPEC_KEY + "\n",
        SPEC_KEY + "=",
        " " + SPEC_KEY,
        SPEC_KEY.replace("530d903a", "530D903A"),
        SPEC_KEY.replace("530d903a", "530d903b"),
        SPEC_KEY.replace("530d903a", ""),
        SPEC_KEY.replace("example", "Example"),
        SPEC_KEY.replace("example.com/foo", "example.com//foo"),
        SPEC_KEY.replace("example.com/foo", "example.com/"),
        SPEC_KEY.replace("+Aeky", "+Beky"),
        str(VerifierKey("a" * 65, bytes(32))),
        str(VerifierKey("a b", bytes(32))),
        str(VerifierKey("a", bytes(31))),
        str(VerifierKey("a", bytes(33))),
        "a+00000000+\u00e9",
        SPEC_KEY + "A" * 300,
    ],
)
def test_other_texts_are_no_verifier_keys(text):
    """Wrong ids, other types, other names, other spellings and other lengths are refused."""
    with pytest.raises(FormatError):
        decode_verifier_key(text)


@given(st.text() | st.text(st.sampled_from("ab+/=01.Aeky")))
def test_arbitrary_texts_raise_only_our_error(text):
    """A verifier key is refused, or is the one text of its key; the same for base64."""
    with contextlib.suppress(HeningError):
        assert str(decode_verifier_key(text)) == text
    with contextlib.suppress(HeningError):
        assert base64.b64encode(decode_base64(text)).decode() == text


@pytest.mark.parametrize("text", ["YQ", "YQ=", "YR==", "YQ==\n", " YQ==", "Y Q==", "-_-_", "YQ==="])
def test_other_spellings_of_base64_are_refused(text):
    """Missing padding, spare bits, white space and the URL alphabet are refused."""
    with pytest.raises(FormatError):
        decode_base64(text)


def test_a_note_is_text_gap_and_signature_line():
    """The bytes are the specification's, computed separately; the last gap separates the parts."""
    lines = line(KEY.name, signature(KEY, SEED, TEXT))
    assert TEXT.encode() + b"\n" + lines == NOTE
    assert verify_note(NOTE, KEY) == TEXT


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=200))
def test_notes_are_read_back(text):
    """A signed text is verified to the same text."""
    assert verify_note(encode_note(text + "\n", KEY, SEED.sign), KEY) == text + "\n"


def test_every_flipped_bit_is_refused():
    """No bit of a note can change: the text is signed and the line has one encoding."""
    for note in (NOTE, SPEC_NOTE):
        key = KEY if note is NOTE else decode_verifier_key(SPEC_KEY)
        for position in range(len(note)):
            for bit in range(8):
                changed = bytearray(note)
                changed[position] ^= 1 << bit
                with pytest.raises(HeningError):
                    verify_note(bytes(changed), key)


def test_every_truncated_or_lengthened_note_is_refused():
    """No prefix of a note is a note, nor is a note with more bytes at its end."""
    for length in range(len(NOTE)):
        with pytest.raises(HeningError):
            verify_note(NOTE[:length], KEY)
    for tail in (b"\n", b" ", b"a", b"\0", b"a\n", b"\n\n"):
        with pytest.raises(HeningError):
            verify_note(NOTE + tail, KEY)


def test_lines_of_other_keys_are_ignored():
    """Lines of unknown keys have no effect, before or after ours, sixteen lines in all."""
    text = "a\n"
    ours = line(KEY.name, signature(KEY, SEED, text))
    theirs = line(OTHER.name, b"1234" + bytes(64))
    stranger = line(KEY.name, b"1234" + bytes(64))  # our name with another id is another key
    body = b"a\n\n"
    for lines in (ours + theirs, theirs + ours, stranger + ours, theirs * 15 + ours):
        assert verify_note(body + lines, KEY) == text
    with pytest.raises(FormatError, match="too many"):
        verify_note(body + theirs * 16 + ours, KEY)
    for lines in (theirs, stranger, line(OTHER.name, signature(KEY, SEED, text))):
        with pytest.raises(LogError, match="not signed by"):
            verify_note(body + lines, KEY)


def test_a_line_of_ours_that_does_not_hold_refuses_the_note():
    """A valid line of the same key does not change that, in either order."""
    good = line(KEY.name, signature(KEY, SEED, "a\n"))
    raw = bytearray(signature(KEY, SEED, "a\n"))
    raw[40] ^= 1
    for bad in (
        bytes(raw),
        bytes(raw[:-1]),
        bytes(raw) + b"\0",
        raw[:5],
        signature(KEY, SEED, "b\n"),
        KEY.key_id + OTHER_SEED.sign(b"a\n"),
    ):
        for lines in (line(KEY.name, bad), good + line(KEY.name, bad), line(KEY.name, bad) + good):
            with pytest.raises(LogError, match="does not hold"):
                verify_note(b"a\n\n" + lines, KEY)


def test_the_order_of_the_group_cannot_be_added_to_a_signature():
    """S + L is no second signature of the same text."""
    order = 2**252 + 27742317777372353535851937790883648493
    raw = signature(KEY, SEED, "a\n")
    scalar = int.from_bytes(raw[36:], "little") + order
    with pytest.raises(LogError):
        verify_note(b"a\n\n" + line(KEY.name, raw[:36] + scalar.to_bytes(32, "little")), KEY)


@pytest.mark.parametrize(
    "lines",
    [
        b"",
        b"\n",
        b"- log AAAAAAAA\n",
        b"\xe2\x80\x94 log\n",
        b"\xe2\x80\x94 log \n",
        b"\xe2\x80\x94  AAAAAAAA\n",
        b"\xe2\x80\x94 a+b AAAAAAAA\n",
        b"\xe2\x80\x94 log AAAA\n",
        b"\xe2\x80\x94 log AAAAAAAA \n",
        b"\xe2\x80\x94 log AAAAAAAA AAAA\n",
        b"\xe2\x80\x94\xc2\xa0log AAAAAAAA\n",
    ],
)
def test_a_malformed_line_refuses_the_note(lines):
    """Even with a valid line of our key beside it."""
    good = line(KEY.name, signature(KEY, SEED, "a\n"))
    with pytest.raises(FormatError):
        verify_note(b"a\n\n" + good + lines, KEY) if lines else verify_note(b"a\n\n", KEY)


@pytest.mark.parametrize(
    "text",
    ["a\0\n", "a\t\n", "a\r\n", "\x1f\n", "\x1b[2J\n"],
    ids=["nul", "tab", "cr", "us", "esc"],
)
def test_control_characters_are_refused_although_signed(text):
    """A terminal that shows a log never gets an escape sequence."""
    note = text.encode() + b"\n" + line(KEY.name, signature(KEY, SEED, text))
    with pytest.raises(FormatError, match="control characters"):
        verify_note(note, KEY)
    with pytest.raises(FormatError):
        encode_note(text, KEY, SEED.sign)


def test_a_note_without_text_is_refused():
    """Even with a valid signature of the empty text."""
    for text in ("", "\n"):
        note = text.encode() + b"\n" + line(KEY.name, signature(KEY, SEED, text))
        with pytest.raises(FormatError):
            verify_note(note, KEY)


def test_the_limit_is_4096_bytes():
    """A note at the limit is read, one byte more is refused before parsing."""
    overhead = len(encode_note("a\n", KEY, SEED.sign)) - 1
    text = "a" * (4096 - overhead) + "\n"
    note = encode_note(text, KEY, SEED.sign)
    assert len(note) == 4096
    assert verify_note(note, KEY) == text
    with pytest.raises(FormatError, match="4097 bytes"):
        verify_note(b"\xff" * 4097, KEY)


def test_nothing_is_returned_that_would_not_verify():
    """A signer with another seed, or a text without its newline, makes no note."""
    with pytest.raises(LogError):
        encode_note("a\n", KEY, OTHER_SEED.sign)
    with pytest.raises(FormatError):
        encode_note("a", KEY, SEED.sign)


def test_a_note_with_two_signatures():
    """Each key finds its own line, even if both have one name; a third key finds none."""
    second = VerifierKey(KEY.name, OTHER.public)
    third = VerifierKey(KEY.name, bytes(32))
    both = cosign_note(NOTE, second, OTHER_SEED.sign)
    assert both == NOTE + line(KEY.name, signature(second, OTHER_SEED, TEXT))
    assert verify_note(both, KEY) == verify_note(both, second) == TEXT
    with pytest.raises(LogError, match="is not signed by"):
        verify_note(both, third)
    with pytest.raises(LogError, match="does not hold"):
        cosign_note(NOTE, second, SEED.sign)
    with pytest.raises(FormatError):
        cosign_note(NOTE[:-1], second, OTHER_SEED.sign)
    full = NOTE + line("witness.test", bytes(9)) * 15
    with pytest.raises(FormatError, match="too many"):
        cosign_note(full, second, OTHER_SEED.sign)


def test_a_key_that_is_no_point_verifies_nothing():
    """A key of another length is refused on use, with our error."""
    key = VerifierKey("a", b"short")
    with pytest.raises(LogError):
        verify_note(b"a\n\n" + line("a", key.key_id + bytes(64)), key)


@given(st.binary(max_size=300))
@example(b"\n\n\n\n")
@example(b"\n\n\xe2\x80\x94 a AAAAAAAA\n")
def test_arbitrary_bytes_raise_only_our_error(note):
    """Whatever they hold."""
    with pytest.raises(HeningError):
        verify_note(note, KEY)
