import hashlib
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.proposal import MetadataText, PackageFile, Proposal, proposal_id
from signer.errors import ProposalError
from signer.proposal.document import decode_proposal, encode_proposal
from tests.cases import case

NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True)
HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex)
OFFLINE = NAMES.filter(lambda name: name not in {"latest", "snapshot", "timestamp"})
FILES = st.builds(MetadataText, OFFLINE, st.integers(1, 2**53 - 1), st.text(max_size=30))
PRINTABLE = st.text(min_size=1, max_size=30).filter(str.isprintable)


def distinct(files, key):
    """Return the files sorted, one for each key."""
    return [found for _, found in sorted({key(file): file for file in files}.items())]


NOTES = st.just("") | st.from_regex(r"[a-zé](?:[a-zé. ]{0,28}[a-zé])?", fullmatch=True).filter(
    lambda note: "www." not in note
)
LABELS = st.from_regex(r"[a-z]{1,9}-[1-9](?: \([a-zé ]{1,9}\))?", fullmatch=True)
PROPOSALS = st.builds(
    lambda created, note, names, context, changes, packages: Proposal(
        schema=1,
        kind="proposal",
        created=created,
        note=note,
        names=names,
        context=distinct(context, lambda file: (file.role, file.version)),
        changes=distinct(changes, lambda file: file.role),
        packages=sorted(set(packages)),
    ),
    st.integers(0, 2**53 - 1),
    NOTES,
    st.dictionaries(HASHES, LABELS, max_size=3),
    st.lists(FILES, max_size=4),
    st.lists(FILES, min_size=1, max_size=4),
    st.lists(st.builds(PackageFile, HASHES, st.integers(0, 2**53 - 1), PRINTABLE), max_size=3),
)


def sample(**changed) -> dict:
    """Return a proposal as plain JSON, with changed members."""
    value = {
        "changes": [{"octets": "x", "role": "armani", "version": 2}],
        "context": [],
        "created": 1,
        "kind": "proposal",
        "names": {},
        "note": "",
        "packages": [],
        "schema": 1,
    }
    return value | changed


def encode(value) -> bytes:
    """Return canonical JSON, made by the standard library."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode() + b"\n"


@given(PROPOSALS)
def test_proposal_round_trip(proposal) -> None:
    """A proposal can be read back, and has one encoding."""
    data = encode_proposal(proposal)
    assert decode_proposal(data) == proposal
    assert data == encode(json.loads(data))


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_arbitrary_bytes_are_refused(data) -> None:
    """Arbitrary bytes are refused with a ProposalError."""
    with pytest.raises(ProposalError):
        decode_proposal(data)


@given(PROPOSALS, st.data())
def test_changed_byte_is_detected(proposal, data) -> None:
    """A file with one changed byte is refused or has another id."""
    content = bytearray(encode_proposal(proposal))
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    try:
        decode_proposal(bytes(content))
    except ProposalError:
        return
    assert proposal_id(bytes(content)) != proposal_id(encode_proposal(proposal))


def test_one_encoding() -> None:
    """The id is the sha256 of the only encoding, so people can compare it."""
    data = encode(sample())
    assert proposal_id(data) == hashlib.sha256(data).hexdigest()
    decode_proposal(data)
    for text in (json.dumps(sample()), json.dumps(sample(), indent=1)):
        with pytest.raises(ProposalError, match="canonical"):
            decode_proposal(text.encode())
    proposal = msgspec.convert(sample(), Proposal)
    twice = msgspec.structs.replace(proposal, changes=proposal.changes * 2)
    with pytest.raises(ProposalError, match="sorted"):
        encode_proposal(twice)


def test_malformed_proposal_is_refused() -> None:
    """Schema, members, order, names and notes are checked."""
    for value in (
        sample(schema=2),
        sample(kind="submission"),
        sample(changes=[]),
        sample(extra=1),
        {name: item for name, item in sample().items() if name != "note"},
        sample(created=-1),
        sample(note="x" * 501),
        sample(note="a\x1b[2Jb"),
        sample(note="a\nb"),
        sample(note="a\u202eb"),
        sample(note="a\u3164b"),
        sample(note=" "),
        sample(note="see https://rom.example"),
        sample(names={"00": "alice"}),
        sample(names={"0" * 64: "a\nb"}),
        sample(names={"0" * 64: ""}),
        sample(names={"0" * 64: "root-1 (alice), root-2 (bob)"}),
        sample(changes=[{"octets": "", "role": "../x", "version": 1}]),
        sample(changes=[{"octets": "", "role": "armani", "version": 0}]),
        sample(changes=[{"octets": "", "role": "latest", "version": 1}]),
        sample(changes=[{"octets": "", "role": "snapshot", "version": 1}]),
        sample(changes=[{"octets": "", "role": name, "version": 1} for name in "ba"]),
        sample(changes=[{"octets": "", "role": "a", "version": n} for n in (1, 2)]),
        sample(context=[{"octets": "", "role": "a", "version": n} for n in (1, 1)]),
        sample(packages=[{"length": 1, "name": "a\x07.zip", "sha256": "0" * 64}]),
    ):
        with case(value), pytest.raises(ProposalError):
            decode_proposal(encode(value))
