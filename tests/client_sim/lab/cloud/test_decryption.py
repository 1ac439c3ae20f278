"""The lab's own decryption, tested with vectors of FORMATS, the age program and the phone."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from client_sim.cloud.records import find_padme as phones_padme
from client_sim.cloud.records import pad
from client_sim.lab.cloud import decryption

PAGE = (Path(__file__).parents[4] / "docs" / "FORMATS.md").read_text()
KEY = bytes(range(32))
VECTORS = re.findall(r"^\| kdf\(K, (\d), `(\w+)`\) \| `([0-9a-f]{64})` \|$", PAGE, re.MULTILINE)
CHUNK = 64 * 1024


def test_derived_keys_are_those_of_formats():
    """Every vector of the page, and that of an item key."""
    assert len(VECTORS) == 5
    for number, context, expected in VECTORS:
        assert decryption.kdf(KEY, int(number), context).hex() == expected
    found = re.search(r"\| item key without `encryptionKey`[^|]*\| `([0-9a-f]{64})` \|", PAGE)
    item = bytes.fromhex(found[1])
    keys = (decryption.kdf(item, 1, "ColItem"), decryption.kdf(item, 2, "ColItem"))
    assert decryption.derive_item(KEY, "A" * 32) == keys


def make_key():
    """Return a new secret key of age and its public key as texts."""
    made = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True).stdout
    return made.splitlines()[2], re.search("age1[a-z0-9]+", made)[0]


@pytest.mark.needs("age")
@pytest.mark.parametrize("length", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_files_of_the_age_program_are_opened(length):
    """With another key, or after a change, they are not."""
    (secret, public), (other, _) = make_key(), make_key()
    plain = os.urandom(length)
    words = ["age", "-r", public]
    file = subprocess.run(words, input=plain, capture_output=True, check=True).stdout
    assert decryption.open_age(file, decryption.read_age_secret(secret))[0] == plain
    for changed in (file[:-1], file[:-17], file[:40] + bytes([file[40] ^ 1]) + file[41:]):
        with pytest.raises(ValueError, match=r"changed|truncated|not an age file"):
            decryption.open_age(changed, decryption.read_age_secret(secret))
    with pytest.raises(ValueError, match="another key"):
        decryption.open_age(file, decryption.read_age_secret(other))


def test_padded_lengths_are_those_of_the_phone():
    """Around the lengths at which steps change."""
    for length in (*range(1, 3000), *range(16_000, 17_500), *range(61_400, 61_440)):
        assert decryption.find_padded(length) == len(pad(bytes(length)))
        assert length == 1 or decryption.find_padme(length) == phones_padme(length)
