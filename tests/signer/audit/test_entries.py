import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signer.audit.findings import AnswerError
from signer.audit.log_reader import Entry, decode_bundle, decode_entry

ROLES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,31}", fullmatch=True)
VERSIONS = st.integers(1, 2**53 - 1)
HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex)


@given(ROLES, VERSIONS, HASHES)
def test_a_leaf_is_read_as_it_is_written(role, version, sha256):
    """The four lines of FORMATS section 7."""
    leaf = f"hening role v1\n{role}\n{version}\n{sha256}\n".encode()
    assert decode_entry(leaf) == Entry(role, version, sha256)


@given(ROLES, VERSIONS, HASHES, st.data())
def test_every_change_of_a_leaf_is_another_leaf_or_none(role, version, sha256, data):
    """No two spellings mean the same."""
    leaf = f"hening role v1\n{role}\n{version}\n{sha256}\n".encode()
    place = data.draw(st.integers(0, len(leaf) - 1))
    other = leaf[:place] + data.draw(st.binary(max_size=2)) + leaf[place + 1 :]
    with contextlib.suppress(AnswerError):
        assert (decode_entry(other) == Entry(role, version, sha256)) == (other == leaf)


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_refused_as_a_leaf(data):
    """Nothing but our own error comes of them."""
    with pytest.raises(AnswerError):
        decode_entry(data)


@given(st.lists(st.binary(min_size=1, max_size=160), max_size=256))
def test_a_bundle_is_split_as_it_was_joined(leaves):
    """Two bytes of length before each leaf."""
    data = b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves)
    assert decode_bundle(data) == leaves


@given(st.binary(max_size=2000))
def test_arbitrary_bytes_are_a_bundle_in_one_way_or_none(data):
    """What is accepted is all of the bytes and nothing else."""
    with contextlib.suppress(AnswerError):
        leaves = decode_bundle(data)
        assert b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in leaves) == data
