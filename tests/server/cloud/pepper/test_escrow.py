"""The pepper on paper: entered in any order and spacing, and a mistake is named."""

import os
from dataclasses import replace

import pytest

from server.cloud.pepper.escrow import decode_escrow, encode_escrow
from server.cloud.pepper.file import Pepper, draw_pepper
from server.core.errors import FormatError

PEPPER = Pepper(bytes(range(32)), bytes(range(32, 64)))


def test_lines_as_formats_has_them():
    """Label, 32 digits in groups of four, and four check digits."""
    assert encode_escrow(PEPPER) == [
        "pepper-1   0001 0203 0405 0607 0809 0a0b 0c0d 0e0f  8e9d",
        "pepper-2   1011 1213 1415 1617 1819 1a1b 1c1d 1e1f  91ed",
        "salts-1    2021 2223 2425 2627 2829 2a2b 2c2d 2e2f  384e",
        "salts-2    3031 3233 3435 3637 3839 3a3b 3c3d 3e3f  3ffd",
    ]


def test_what_was_printed_is_restored():
    """Also after rotations, in any order, and with typical typing variations."""
    pepper = draw_pepper(os.urandom)
    for _ in range(2):
        lines = encode_escrow(pepper)
        assert decode_escrow(lines) == pepper
        assert decode_escrow([line.upper().replace("  ", "") for line in reversed(lines)]) == pepper
        pepper = replace(pepper, following=os.urandom(32)).rotated()
    assert len(encode_escrow(pepper)) == 8


def test_a_mistake_is_named():
    """A digit, two swapped lines, a missing one, and one that is no line."""
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
    with pytest.raises(FormatError, match="no line of a pepper"):
        decode_escrow([*lines, "and so on"])
