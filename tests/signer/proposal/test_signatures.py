import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signer.errors import ProposalError
from signer.proposal.signing import (
    RoleSignature,
    SignatureFile,
    decode_signatures,
    encode_signatures,
)

NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True)
HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex)
SIGNATURES = st.builds(
    RoleSignature, NAMES, HASHES, st.binary(min_size=64, max_size=64).map(bytes.hex)
)


def sample(**changed) -> dict:
    """Return a signature file as plain JSON, with some members changed."""
    signature = {"keyid": "0" * 64, "role": "armani", "sig": "1" * 128}
    value = {
        "kind": "signatures",
        "proposal": "2" * 64,
        "schema": 1,
        "signatures": [signature],
    }
    return value | changed


def encode(value) -> bytes:
    """Return canonical JSON, by the standard library."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n"


@given(HASHES, st.lists(SIGNATURES, min_size=1, max_size=5, unique_by=lambda s: (s.role, s.keyid)))
def test_signatures_survive_the_file(proposal, signatures) -> None:
    """What is written is read back."""
    file = SignatureFile(
        schema=1, kind="signatures", proposal=proposal, signatures=sorted(signatures)
    )
    data = encode_signatures(file)
    assert decode_signatures(data) == file
    assert data == encode(json.loads(data))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(data) -> None:
    """Nothing but a refusal comes of bytes that hold no signatures."""
    with pytest.raises(ProposalError):
        decode_signatures(data)


@pytest.mark.parametrize(
    "value",
    [
        sample(schema=2),
        sample(kind="proposal"),
        sample(signatures=[]),
        sample(extra=1),
        sample(proposal="2" * 63),
        sample(signatures=[{"keyid": "0" * 64, "role": "armani", "sig": "1" * 126}]),
        sample(signatures=[{"keyid": "0" * 64, "role": "armani", "sig": "F" * 128}]),
        sample(signatures=[{"keyid": "0" * 64, "role": "a/b", "sig": "1" * 128}]),
        sample(signatures=sample()["signatures"] * 2),
    ],
)
def test_a_file_that_breaks_the_format_is_refused(value) -> None:
    """Unknown schema, wrong lengths, repetition."""
    with pytest.raises(ProposalError):
        decode_signatures(encode(value))


def test_the_sample_is_read() -> None:
    """The refusals above are of what was changed, and of nothing else."""
    assert decode_signatures(encode(sample())).signatures[0].role == "armani"
