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
from tests.cases import refuse_each

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


def test_specification_example_verifies():
    """Key and note of C2SP signed-note are read; the key is written back byte by byte."""
    key = decode_verifier_key(SPEC_KEY)
    assert (key.name, key.key_id.hex()) == ("example.com/foo", "530d903a")
    assert str(key) == SPEC_KEY
    assert verify_note(SPEC_NOTE, key) == "This is an example message.\n"


@given(st.from_regex(r"[a-z0-9.-]{1,20}(?:/[a-z0-9-]{1,10}){0,3}", fullmatch=True), st.binary())
def test_verifier_key_round_trip(name, raw):
    """A key has one text, and a text has one key."""
    key = VerifierKey(name, hashlib.sha256(raw).digest())
    assert decode_verifier_key(str(key)) == key


def test_malformed_verifier_keys_are_refused():
    """Wrong ids, other types, other names, other spellings and other lengths are refused."""
    bad = [
        *("", "+", "++", "log", "log+530d903a", SPEC_KEY[:-1], SPEC_KEY + "\n", SPEC_KEY + "="),
        *(" " + SPEC_KEY, SPEC_KEY + "A" * 300, "a+00000000+\u00e9"),
        *(SPEC_KEY.replace("530d903a", each) for each in ("530D903A", "530d903b", "")),
        SPEC_KEY.replace("example", "Example"),
        *(SPEC_KEY.replace(".com/foo", each) for each in (".com//foo", ".com/")),
        SPEC_KEY.replace("+Aeky", "+Beky"),
        *(str(VerifierKey(name, bytes(32))) for name in ("a" * 65, "a b")),
        *(str(VerifierKey("a", bytes(length))) for length in (31, 33)),
    ]
    refuse_each(FormatError, decode_verifier_key, bad)


@given(st.text() | st.text(st.sampled_from("ab+/=01.Aeky")))
def test_arbitrary_keys_and_base64_have_one_encoding(text):
    """A verifier key is refused, or is the one text of its key; the same for base64."""
    with contextlib.suppress(HeningError):
        assert str(decode_verifier_key(text)) == text
    with contextlib.suppress(HeningError):
        assert base64.b64encode(decode_base64(text)).decode() == text


def test_non_canonical_base64_is_refused():
    """Missing padding, spare bits, white space and the URL alphabet are refused."""
    bad = ["YQ", "YQ=", "YR==", "YQ==\n", " YQ==", "Y Q==", "-_-_", "YQ==="]
    refuse_each(FormatError, decode_base64, bad)


def test_note_encoding():
    """The bytes are the specification's, computed separately; the last gap separates the parts."""
    lines = line(KEY.name, signature(KEY, SEED, TEXT))
    assert TEXT.encode() + b"\n" + lines == NOTE
    assert verify_note(NOTE, KEY) == TEXT


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=200))
def test_note_round_trip(text):
    """A signed text is verified to the same text."""
    assert verify_note(encode_note(text + "\n", KEY, SEED.sign), KEY) == text + "\n"


def test_flipped_bits_of_a_note_are_refused():
    """No bit of a note can change: the text is signed and the line has one encoding."""
    for note in (NOTE, SPEC_NOTE):
        key = KEY if note is NOTE else decode_verifier_key(SPEC_KEY)
        for position in range(len(note)):
            for bit in range(8):
                changed = bytearray(note)
                changed[position] ^= 1 << bit
                with pytest.raises(HeningError):
                    verify_note(bytes(changed), key)


def test_truncated_and_extended_notes_are_refused():
    """No prefix of a note is a note, nor is a note with more bytes at its end."""
    tails = (b"\n", b" ", b"a", b"\0", b"a\n", b"\n\n")
    changed = [*(NOTE[:length] for length in range(len(NOTE))), *(NOTE + tail for tail in tails)]
    refuse_each(HeningError, lambda note: verify_note(note, KEY), changed)


def test_signatures_of_other_keys_are_ignored():
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


def test_invalid_signature_of_the_trusted_key_is_refused():
    """An invalid line of our key refuses the note, even beside a valid one, in either order."""
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
            with pytest.raises(LogError, match="is invalid"):
                verify_note(b"a\n\n" + lines, KEY)


def test_malleable_signatures_and_malformed_keys_are_refused():
    """A signature with S + L is refused, and a key of another length verifies nothing."""
    order = 2**252 + 27742317777372353535851937790883648493
    raw = signature(KEY, SEED, "a\n")
    scalar = int.from_bytes(raw[36:], "little") + order
    key = VerifierKey("a", b"short")
    for each, mark in (
        (KEY, raw[:36] + scalar.to_bytes(32, "little")),
        (key, key.key_id + bytes(64)),
    ):
        with pytest.raises(LogError):
            verify_note(b"a\n\n" + line(each.name, mark), each)


def test_malformed_signature_lines_are_refused():
    """A malformed line refuses the note, even beside a valid line; a note needs a line."""
    lines = [
        *("\n", "- log AAAAAAAA\n", "— log\n", "— log \n", "—  AAAAAAAA\n", "— a+b AAAAAAAA\n"),
        *("— log AAAA\n", "— log AAAAAAAA \n", "— log AAAAAAAA AAAA\n", "—\u00a0log AAAAAAAA\n"),
    ]
    notes = [b"a\n\n", *(signed("a\n") + each.encode() for each in lines)]
    refuse_each(FormatError, lambda note: verify_note(note, KEY), notes)


def signed(text):
    """Return a note that is signed without the code under test."""
    return text.encode() + b"\n" + line(KEY.name, signature(KEY, SEED, text))


def test_signed_control_characters_are_refused():
    """Signed texts with escape sequences, and empty texts, are refused."""
    bad = ["a\0\n", "a\t\n", "a\r\n", "\x1f\n", "\x1b[2J\n"]
    refuse_each(FormatError, lambda text: verify_note(signed(text), KEY), bad, "control characters")
    refuse_each(FormatError, lambda text: encode_note(text, KEY, SEED.sign), bad)
    refuse_each(FormatError, lambda text: verify_note(signed(text), KEY), ["", "\n"])


def test_note_size_limit():
    """A note at the limit is read, one byte more is refused before parsing."""
    overhead = len(encode_note("a\n", KEY, SEED.sign)) - 1
    text = "a" * (4096 - overhead) + "\n"
    note = encode_note(text, KEY, SEED.sign)
    assert len(note) == 4096
    assert verify_note(note, KEY) == text
    with pytest.raises(FormatError, match="4097 bytes"):
        verify_note(b"\xff" * 4097, KEY)


def test_unverifiable_notes_are_not_signed():
    """A note is not returned if the signer has another key or the text lacks its newline."""
    with pytest.raises(LogError):
        encode_note("a\n", KEY, OTHER_SEED.sign)
    with pytest.raises(FormatError):
        encode_note("a", KEY, SEED.sign)


def test_cosigned_note():
    """Each key finds its own line, even if both have one name; a third key finds none."""
    second = VerifierKey(KEY.name, OTHER.public)
    third = VerifierKey(KEY.name, bytes(32))
    both = cosign_note(NOTE, second, OTHER_SEED.sign)
    assert both == NOTE + line(KEY.name, signature(second, OTHER_SEED, TEXT))
    assert verify_note(both, KEY) == verify_note(both, second) == TEXT
    with pytest.raises(LogError, match="is not signed by"):
        verify_note(both, third)
    with pytest.raises(LogError, match="is invalid"):
        cosign_note(NOTE, second, SEED.sign)
    with pytest.raises(FormatError):
        cosign_note(NOTE[:-1], second, OTHER_SEED.sign)
    full = NOTE + line("witness.test", bytes(9)) * 15
    with pytest.raises(FormatError, match="too many"):
        cosign_note(full, second, OTHER_SEED.sign)


@given(st.binary(max_size=300))
@example(b"\n\n\n\n")
@example(b"\n\n\xe2\x80\x94 a AAAAAAAA\n")
def test_arbitrary_notes_raise_only_our_error(note):
    """Arbitrary bytes raise only our error."""
    with pytest.raises(HeningError):
        verify_note(note, KEY)
