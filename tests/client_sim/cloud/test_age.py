"""age files: the age program and pyrage open them, and the same content gives the same file."""

import subprocess

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.cloud.age import CHUNK, Identity, decrypt, encrypt
from client_sim.cloud.errors import RecordError, SealError
from tests.cases import case

IDENTITY = Identity(bytes(range(32)))
SECRET = bytes(32)
LENGTHS = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 200_000]


def make(length, secret=SECRET):
    """Encrypt `length` zero bytes."""
    return encrypt(bytes(length), IDENTITY.recipient, secret)


def test_pyrage_opens_a_file():
    """Files of all lengths around a chunk's are opened."""
    for length in LENGTHS:
        with case(length):
            other = pyrage.x25519.Identity.from_str(IDENTITY.encode())
            assert str(other.to_public()) == IDENTITY.recipient_text
            assert pyrage.decrypt(make(length), [other]) == bytes(length)
            assert decrypt(make(length), IDENTITY) == bytes(length)


@pytest.mark.needs("age")
def test_the_age_program_opens_a_file(tmp_path):
    """The age program opens a file with the exported key."""
    (tmp_path / "key").write_text(IDENTITY.encode() + "\n")
    (tmp_path / "file").write_bytes(make(200_000))
    opened = subprocess.run(
        ["age", "-d", "-i", tmp_path / "key", tmp_path / "file"], capture_output=True, check=True
    )
    assert opened.stdout == bytes(200_000)


def test_files_follow_from_content_and_account():
    """Content and account determine the file; content and its prefix share no key."""
    assert make(100) == make(100)
    assert make(100) != make(100, b"\1" * 32)
    one, other = make(CHUNK), make(CHUNK + 1)
    assert one.partition(b"\n---")[0] != other.partition(b"\n---")[0]
    assert one[-1000:] not in other


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_does_not_open(place, change):
    """A file with any byte changed is refused."""
    file = bytearray(make(5000))
    file[place % len(file)] ^= change
    with pytest.raises(SealError):
        decrypt(bytes(file), IDENTITY)


def test_malformed_keys_are_refused():
    """Empty, short and public keys and keys with a wrong checksum are refused."""
    for text in ("", "age1", IDENTITY.encode()[:-1] + "A", IDENTITY.recipient_text):
        with case(text):
            with pytest.raises(RecordError):
                Identity.decode(text)
            assert Identity.decode(IDENTITY.encode()) == IDENTITY


def test_file_of_another_writer():
    """The reader opens pyrage's file, so it does not only match the writer's mistakes."""
    other = pyrage.x25519.Recipient.from_str(IDENTITY.recipient_text)
    assert decrypt(pyrage.encrypt(b"hello", [other]), IDENTITY) == b"hello"
