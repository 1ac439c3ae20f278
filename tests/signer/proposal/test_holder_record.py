import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signer.errors import ProposalError
from signer.proposal.signing import (
    HolderRecord,
    SignedVersion,
    check_record,
    decode_record,
    encode_record,
)

HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex)
VERSIONS = st.builds(SignedVersion, st.integers(1, 2**53 - 1), HASHES)
A, B = "a" * 64, "b" * 64


@given(st.dictionaries(st.text(st.characters(codec="ascii"), max_size=9), VERSIONS, max_size=4))
def test_a_record_survives_the_file(signed) -> None:
    """What is written is read back, in one encoding."""
    data = encode_record(signed)
    assert decode_record(data) == signed
    value = json.loads(data)
    assert json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False) == (
        data.decode().removesuffix("\n")
    )


@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_refused(data) -> None:
    """A damaged memory is not taken for an empty one."""
    with pytest.raises(ProposalError, match=r"signed\.json of the key folder cannot be read"):
        decode_record(data)


def test_a_folder_remembers(tmp_path) -> None:
    """Root and versions; what was noted for other roles stays."""
    record = HolderRecord(tmp_path)
    assert (record.load_root(), record.load_signed()) == (None, {})
    record.pin_root(b"root")
    record.note_signed({"armani": SignedVersion(2, A)})
    record.note_signed({"dior": SignedVersion(1, B)})
    assert record.load_root() == b"root"
    assert record.load_signed() == {"armani": SignedVersion(2, A), "dior": SignedVersion(1, B)}


@pytest.mark.parametrize(
    ("before", "sentence"),
    [
        (SignedVersion(3, A), "You have signed armani 3 before.*builds on an old state"),
        (SignedVersion(2, B), "You have signed another armani 2 before"),
    ],
)
def test_a_past_that_is_older_is_refused(before, sentence) -> None:
    """A newer version, and the same one with other content."""
    with pytest.raises(ProposalError, match=sentence):
        check_record({"armani": SignedVersion(2, A)}, {"armani": before})


@pytest.mark.parametrize(
    "before", [{}, {"armani": SignedVersion(1, B)}, {"dior": SignedVersion(9, B)}]
)
def test_what_follows_is_signed(before) -> None:
    """Nothing yet, the version before, another role; and the same again."""
    check_record({"armani": SignedVersion(2, A)}, before)
    check_record({"armani": SignedVersion(2, A)}, {"armani": SignedVersion(2, A)})
