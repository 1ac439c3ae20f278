"""The pepper's lines encrypted to an age key: the program age decrypts them."""

import subprocess

import pytest

from server.cloud.pepper.age import check_recipient, seal_lines
from server.core.errors import FormatError
from server.storage.errors import StorageError

pytestmark = pytest.mark.needs("age")


@pytest.fixture
def key(tmp_path):
    """Give a new key's file and its public key."""
    file = tmp_path / "key.txt"
    subprocess.run(["age-keygen", "-o", file], check=True, capture_output=True)
    told = subprocess.run(["age-keygen", "-y", file], check=True, capture_output=True, text=True)
    return file, told.stdout.strip()


def test_the_key_opens_what_was_sealed(key):
    """Line by line; none is readable without the key."""
    file, public = key
    lines = ["pepper-1 0011  2233", "salts-1 4455  6677"]
    sealed = seal_lines(lines, public)
    assert sealed.startswith("-----BEGIN AGE ENCRYPTED FILE-----\n")
    assert "0011" not in sealed
    words = ["age", "--decrypt", "--identity", file]
    opened = subprocess.run(words, input=sealed, check=True, capture_output=True, text=True)
    assert opened.stdout.splitlines() == lines


@pytest.mark.parametrize("given", ["", "age1short", "ssh-ed25519 AAAA", "--output=/tmp/x"])
def test_what_is_no_key_is_refused(given):
    """And never reaches the program."""
    with pytest.raises(FormatError, match="is no age key"):
        check_recipient(given)


def test_a_key_with_a_mistake_is_refused(key):
    """By age itself, which verifies the key's checksum."""
    _, public = key
    wrong = public[:-1] + ("q" if public[-1] != "q" else "p")
    with pytest.raises(StorageError, match="age failed"):
        check_recipient(wrong)


def test_where_there_is_no_age(key, monkeypatch):
    """The message says how to continue."""
    monkeypatch.setattr("server.cloud.pepper.age.PROGRAM", "no-such-age")
    with pytest.raises(StorageError, match="install Debian's age"):
        check_recipient(key[1])
