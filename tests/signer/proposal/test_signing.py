import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.encodings import encode_canonical_json
from signer.errors import ProposalError
from signer.keys.keystore import Keystore
from signer.proposal.signing import (
    HolderRecord,
    RoleSignature,
    SignatureFile,
    SignedVersion,
    check_record,
    decode_record,
    decode_signatures,
    encode_record,
    encode_signatures,
    find_holdings,
    sign_proposal,
)
from tests.cases import case

HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex)
VERSIONS = st.builds(SignedVersion, st.integers(1, 2**53 - 1), HASHES)
A, B = "a" * 64, "b" * 64
NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True)
SIGNATURES = st.builds(
    RoleSignature, NAMES, HASHES, st.binary(min_size=64, max_size=64).map(bytes.hex)
)


def test_holder_signs_with_own_keys(team, passphrases) -> None:
    """Each key in the folder, or the chosen one, signs each of its roles."""
    proposed, keys = team.renew("armani", "tables"), team.keys_of("alice")
    holdings = find_holdings(proposed.transition, keys)
    assert [(each.key.name, each.roles) for each in holdings] == [
        ("armani-1", ("armani",)),
        ("tables-1", ("tables",)),
    ]
    holdings = find_holdings(proposed.transition, keys, ["tables-1"])
    file = sign_proposal(proposed.transition, proposed.identity, keys, holdings, passphrases)
    assert [signature.role for signature in file.signatures] == ["tables"]


def test_keys_that_cannot_sign_are_refused(team, tmp_path) -> None:
    """Keys of other roles, missing keys and public halves are refused."""
    transition, keys = team.renew("armani").transition, team.keys_of("carol")
    with pytest.raises(
        ProposalError, match=r"may sign a role that the proposal changes \(armani\)"
    ):
        find_holdings(transition, keys)
    for name, sentence in (("dior-1", "may not sign any role"), ("armani-1", "is not in")):
        with pytest.raises(ProposalError, match=sentence):
            find_holdings(transition, keys, [name])
    for name in ("armani-1", "armani-2"):
        shutil.copy2(team.all_keys.folder / f"{name}.pub", tmp_path)
    with pytest.raises(ProposalError, match="No key in"):
        find_holdings(transition, Keystore(tmp_path))


@given(st.dictionaries(st.text(st.characters(codec="ascii"), max_size=9), VERSIONS, max_size=4))
def test_record_round_trip(signed) -> None:
    """A record can be read back, and has one encoding."""
    data = encode_record(signed)
    assert decode_record(data) == signed
    value = json.loads(data)
    assert json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False) == (
        data.decode().removesuffix("\n")
    )


@given(st.binary(max_size=100))
def test_damaged_record_is_refused(data) -> None:
    """A damaged record is not taken for an empty one."""
    with pytest.raises(ProposalError, match=r"signed\.json of the key folder cannot be read"):
        decode_record(data)


def test_holder_record(tmp_path) -> None:
    """It keeps the root and the versions of all roles."""
    record = HolderRecord(tmp_path)
    assert (record.load_root(), record.load_signed()) == (None, {})
    record.pin_root(b"root")
    record.note_signed({"armani": SignedVersion(2, A)})
    record.note_signed({"dior": SignedVersion(1, B)})
    assert record.load_root() == b"root"
    assert record.load_signed() == {"armani": SignedVersion(2, A), "dior": SignedVersion(1, B)}


def test_check_record() -> None:
    """A proposal based on an older or another version is refused."""
    for before, sentence in (
        (SignedVersion(3, A), "You have signed armani 3 before.*builds on an old state"),
        (SignedVersion(2, B), "You have signed another armani 2 before"),
    ):
        with case(before), pytest.raises(ProposalError, match=sentence):
            check_record({"armani": SignedVersion(2, A)}, {"armani": before})
    for before in ({}, {"armani": SignedVersion(1, B)}, {"dior": SignedVersion(9, B)}):
        with case(before):
            check_record({"armani": SignedVersion(2, A)}, before)
            check_record({"armani": SignedVersion(2, A)}, {"armani": SignedVersion(2, A)})


def sample(**changed) -> dict:
    """Return a signature file as plain JSON, with changed members."""
    signature = {"keyid": "0" * 64, "role": "armani", "sig": "1" * 128}
    value = {"kind": "signatures", "proposal": "2" * 64, "schema": 1, "signatures": [signature]}
    return value | changed


@given(HASHES, st.lists(SIGNATURES, min_size=1, max_size=5, unique_by=lambda s: (s.role, s.keyid)))
def test_signature_file_round_trip(proposal, signatures) -> None:
    """A signature file can be read back."""
    file = SignatureFile(
        schema=1, kind="signatures", proposal=proposal, signatures=sorted(signatures)
    )
    data = encode_signatures(file)
    assert decode_signatures(data) == file
    assert data == encode_canonical_json(json.loads(data))


@given(st.binary(max_size=200))
def test_arbitrary_signature_file_is_refused(data) -> None:
    """Arbitrary bytes are refused with a ProposalError."""
    with pytest.raises(ProposalError):
        decode_signatures(data)


def test_malformed_signature_file_is_refused() -> None:
    """Schema, kind, lengths, names and repetition are checked."""
    decode_signatures(encode_canonical_json(sample()))
    for value in (
        sample(schema=2),
        sample(kind="proposal"),
        sample(signatures=[]),
        sample(extra=1),
        sample(proposal="2" * 63),
        sample(signatures=[{"keyid": "0" * 64, "role": "armani", "sig": "1" * 126}]),
        sample(signatures=[{"keyid": "0" * 64, "role": "armani", "sig": "F" * 128}]),
        sample(signatures=[{"keyid": "0" * 64, "role": "a/b", "sig": "1" * 128}]),
        sample(signatures=sample()["signatures"] * 2),
    ):
        with case(value), pytest.raises(ProposalError):
            decode_signatures(encode_canonical_json(value))
