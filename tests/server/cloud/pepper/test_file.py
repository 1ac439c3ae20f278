"""The pepper on paper and encrypted to an age key; mistakes are reported by line."""

import os
import subprocess
from dataclasses import replace

import pytest

from server.cloud.pepper.file import (
    Pepper,
    check_recipient,
    decode_escrow,
    draw_pepper,
    encode_escrow,
    seal_lines,
)
from server.core.errors import FormatError
from server.storage.errors import StorageError
from tests.cases import case

PEPPER = Pepper(bytes(range(32)), bytes(range(32, 64)))


def test_formats_vector_of_the_lines():
    """A line has a label, 32 digits in groups of four, and four check digits."""
    assert encode_escrow(PEPPER) == [
        "pepper-1   0001 0203 0405 0607 0809 0a0b 0c0d 0e0f  8e9d",
        "pepper-2   1011 1213 1415 1617 1819 1a1b 1c1d 1e1f  91ed",
        "salts-1    2021 2223 2425 2627 2829 2a2b 2c2d 2e2f  384e",
        "salts-2    3031 3233 3435 3637 3839 3a3b 3c3d 3e3f  3ffd",
    ]


def test_printed_lines_restore_the_pepper():
    """Printed lines restore the pepper, also after rotations, in any order and letter case."""
    pepper = draw_pepper(os.urandom)
    for _ in range(2):
        lines = encode_escrow(pepper)
        assert decode_escrow(lines) == pepper
        assert decode_escrow([line.upper().replace("  ", "") for line in reversed(lines)]) == pepper
        pepper = replace(pepper, following=os.urandom(32)).rotated()
    assert len(encode_escrow(pepper)) == 8


def test_mistakes_in_printed_lines():
    """A wrong digit, swapped lines, a missing line and an unknown line are each reported."""
    lines = encode_escrow(PEPPER)
    wrong = [lines[0], lines[1].replace("1415", "1514"), *lines[2:]]
    with pytest.raises(FormatError, match="pepper-2 has a mistake"):
        decode_escrow(wrong)
    swapped = [lines[1].replace("pepper-2", "pepper-1"), *lines[2:]]
    with pytest.raises(FormatError, match="pepper-1 has a mistake"):
        decode_escrow(swapped)
    for number, line in enumerate(lines):
        with pytest.raises(FormatError, match=f"{line.split()[0]} is missing"):
            decode_escrow(lines[:number] + lines[number + 1 :])
    with pytest.raises(FormatError, match="not a line of a pepper"):
        decode_escrow([*lines, "and so on"])


@pytest.fixture
def key(tmp_path):
    """Return the file of a new key, and its public key."""
    file = tmp_path / "key.txt"
    subprocess.run(["age-keygen", "-o", file], check=True, capture_output=True)
    output = subprocess.run(["age-keygen", "-y", file], check=True, capture_output=True, text=True)
    return file, output.stdout.strip()


@pytest.mark.needs("age")
def test_lines_are_encrypted_to_the_key(key):
    """The key decrypts all lines; none is readable without it."""
    file, public = key
    lines = ["pepper-1 0011  2233", "salts-1 4455  6677"]
    sealed = seal_lines(lines, public)
    assert sealed.startswith("-----BEGIN AGE ENCRYPTED FILE-----\n")
    assert "0011" not in sealed
    words = ["age", "--decrypt", "--identity", file]
    opened = subprocess.run(words, input=sealed, check=True, capture_output=True, text=True)
    assert opened.stdout.splitlines() == lines


def test_malformed_keys_are_refused():
    """A malformed key is refused before age is started."""
    for given in ("", "age1short", "ssh-ed25519 AAAA", "--output=/tmp/x"):
        with case(given), pytest.raises(FormatError, match="is not an age key"):
            check_recipient(given)


@pytest.mark.needs("age")
def test_keys_that_age_refuses(key, monkeypatch):
    """A wrong checksum is refused by age; if age is missing, the message says what to install."""
    _, public = key
    wrong = public[:-1] + ("q" if public[-1] != "q" else "p")
    with pytest.raises(StorageError, match="age failed"):
        check_recipient(wrong)
    monkeypatch.setattr("server.cloud.pepper.file.PROGRAM", "no-such-age")
    with pytest.raises(StorageError, match="install Debian's package age"):
        check_recipient(public)
