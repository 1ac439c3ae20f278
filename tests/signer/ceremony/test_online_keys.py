import json
from itertools import combinations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from server.core.encodings import encode_canonical_json
from server.core.note import VerifierKey
from signer.ceremony.online_keys import decode_online_keys
from signer.errors import CeremonyError


def test_the_file_of_the_server_is_read(online_file) -> None:
    """The four public halves come out as they stand in the file."""
    keys = json.loads(online_file)["keys"]
    online = decode_online_keys(online_file)
    assert (online.latest, online.snapshot, online.timestamp, str(online.log)) == (
        keys["latest"],
        keys["snapshot"],
        keys["timestamp"],
        keys["log"],
    )


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("latest", "00" * 32, "not a point"),
        ("snapshot", "AA" * 32, "lower-case hex"),
        ("timestamp", 7, "must name"),
        ("log", "log.example+00+AAAA", "not an Ed25519 key"),
        ("more", "00" * 32, "must name"),
    ],
)
def test_a_key_that_is_not_sound_is_refused(online_file, name, value, sentence) -> None:
    """The sentence says what is wrong with it."""
    changed = json.loads(online_file)
    changed["keys"][name] = value
    with pytest.raises(CeremonyError, match=f"{sentence}.*; give the public.json that `hening-"):
        decode_online_keys(encode_canonical_json(changed))


@pytest.mark.parametrize(
    "value",
    [[], {}, {"keys": {}, "schema": 2}, {"keys": [], "schema": 1}, 7],
)
def test_another_file_is_refused(value) -> None:
    """A file of another kind is not read as keys."""
    with pytest.raises(CeremonyError, match=r"; give the public.json that `hening-server init` m"):
        decode_online_keys(encode_canonical_json(value))


def test_a_schema_that_only_equals_1_is_refused(online_file) -> None:
    """`true` is no number."""
    value = json.loads(online_file) | {"schema": True}
    with pytest.raises(CeremonyError, match="schema 1"):
        decode_online_keys(encode_canonical_json(value))


@pytest.mark.parametrize(
    ("first", "second"),
    list(combinations(("latest", "log", "snapshot", "timestamp"), 2)),
)
def test_one_key_for_two_purposes_is_refused(online_file, first, second) -> None:
    """Also where one of them is the log's, which is written in another form."""
    value = json.loads(online_file)
    public = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    for name in (first, second):
        value["keys"][name] = (
            str(VerifierKey("log.example/hening", public)) if name == "log" else public.hex()
        )
    with pytest.raises(CeremonyError, match=f"{first} and {second} are one key"):
        decode_online_keys(encode_canonical_json(value))


def test_another_encoding_is_refused(online_file) -> None:
    """One value has one encoding."""
    with pytest.raises(CeremonyError, match="canonical form"):
        decode_online_keys(online_file.replace(b",", b", "))


@given(st.binary(max_size=4200))
def test_arbitrary_octets_are_refused_with_our_error(data) -> None:
    """No octets make the reader fail otherwise."""
    with pytest.raises(CeremonyError):
        decode_online_keys(data)
