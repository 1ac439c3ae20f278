import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.bundle import (
    BlobFile,
    Bundle,
    Result,
    RoleFile,
    decode_bundle,
    decode_result,
    encode_bundle,
    encode_result,
)
from server.core.encodings import encode_canonical_json
from server.core.errors import FormatError, HeningError
from tests.cases import case, refuse_each
from tests.strategies import codenames, integers, json_values, positives, sha256s

OTHER = "0" * 64
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
ROLE = {"length": 3, "name": "armani", "sha256": ABC, "version": 2}
BLOB = {"length": 0, "sha256": ABC}
BUNDLE = {"blobs": [BLOB], "kind": "submission", "roles": [ROLE], "schema": 1}
PUBLISHED = {
    "id": ABC,
    "reason": "",
    "schema": 1,
    "snapshot": 7,
    "status": "published",
    "time": 1_767_225_600,
}
REFUSED = PUBLISHED | {"reason": "No.", "snapshot": 0, "status": "refused"}
NON_INTEGERS = [True, 1.0, "1", None, [], -1, 2**53, 10**30]


def bytes_of(value):
    """Return canonical JSON, written without the code under test; floats as Python writes them."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n"


@given(
    st.dictionaries(st.tuples(codenames, positives), st.tuples(sha256s, positives), min_size=1),
    st.dictionaries(sha256s, integers),
)
def test_bundle_round_trip(roles, blobs):
    """A bundle has one encoding, and its id is the hash of the bytes."""
    bundle = Bundle(
        roles=[RoleFile(name, version, *rest) for (name, version), rest in sorted(roles.items())],
        blobs=[BlobFile(*each) for each in sorted(blobs.items())],
    )
    identity, data = encode_bundle(bundle)
    assert identity == hashlib.sha256(data).hexdigest()
    assert decode_bundle(data) == bundle
    assert encode_bundle(decode_bundle(data)) == (identity, data)


def test_online_roles_are_refused():
    """A bundle may contain the signer's roles and models, but not the server's roles."""

    def read(name):
        return decode_bundle(bytes_of(BUNDLE | {"roles": [ROLE | {"name": name}]})).roles[0].name

    for name in ("root", "targets", "tables", "content", "armani"):
        assert read(name) == name
    online = ["latest", "snapshot", "timestamp"]
    refuse_each(FormatError, read, online, "only the server signs")


def test_non_integers_are_refused():
    """Booleans, floats, texts, negative and too large numbers are refused everywhere."""
    for value in NON_INTEGERS:
        changes = [
            *({"roles": [ROLE | {member: value}]} for member in ("length", "version")),
            *({"blobs": [BLOB | {"length": value}]}, {"schema": value}),
        ]
        refuse_each(FormatError, decode_bundle, [bytes_of(BUNDLE | each) for each in changes])
        results = [PUBLISHED | {member: value} for member in ("snapshot", "time", "schema")]
        refuse_each(FormatError, decode_result, map(bytes_of, results))


def test_malformed_bundles_are_refused():
    """Each row breaks a sentence of FORMATS section 6; every member is required."""
    for change in (
        {"roles": []},
        {"roles": [ROLE | {"version": n} for n in range(1, 1002)]},
        {"roles": [ROLE, ROLE]},
        {"roles": [ROLE, ROLE | {"sha256": OTHER}]},
        {"roles": [ROLE, ROLE | {"version": 1}]},
        {"roles": [ROLE, ROLE | {"name": "alpha"}]},
        {"roles": [ROLE | {"version": 0}]},
        {"roles": [ROLE | {"length": 0}]},
        {"roles": [ROLE | {"name": "../armani"}]},
        {"roles": [ROLE | {"sha256": ABC.upper()}]},
        {"roles": [ROLE | {"sha256": ABC + "\n"}]},
        {"roles": [ROLE | {"more": 1}]},
        {"blobs": [BLOB, BLOB]},
        {"blobs": [BLOB, {"length": 1, "sha256": ABC}]},
        {"blobs": [BLOB, BLOB | {"sha256": OTHER}]},
        {"blobs": [BLOB | {"more": 1}]},
        {"blobs": [{"length": n, "sha256": f"{n:064x}"} for n in range(1001)]},
        {"blobs": None},
        {"kind": "result"},
        {"kind": None},
        {"schema": 2},
        {"more": 1},
    ):
        with case(str(change)[:200]), pytest.raises(FormatError):
            decode_bundle(bytes_of(BUNDLE | change))
    for decode, whole in ((decode_bundle, BUNDLE), (decode_result, PUBLISHED)):
        for member in whole:
            with case(member), pytest.raises(FormatError):
                decode(bytes_of({k: v for k, v in whole.items() if k != member}))


def test_size_limits():
    """A bundle has at most 1 MiB, with a thousand roles and blobs; a result at most 64 KiB."""
    roles = [ROLE | {"version": n} for n in range(1, 1001)]
    blobs = [{"length": n, "sha256": f"{n:064x}"} for n in range(1000)]
    bundle = decode_bundle(bytes_of(BUNDLE | {"roles": roles, "blobs": blobs}))
    assert len(bundle.roles) == len(bundle.blobs) == 1000
    with pytest.raises(FormatError, match="1048577 bytes"):
        decode_bundle(b"{" * 1_048_577)
    with pytest.raises(FormatError, match="65537 bytes"):
        decode_result(b"{" * 65_537)


def test_undecodable_values_are_not_encoded():
    """The encoders refuse values that the decoders would refuse."""
    roles = [RoleFile("b", 1, ABC, 1), RoleFile("a", 1, ABC, 1)]
    with pytest.raises(FormatError, match="not sorted"):
        encode_bundle(Bundle(roles=roles, blobs=[]))
    with pytest.raises(FormatError):
        encode_bundle(Bundle(roles=[RoleFile("\ud800", 1, ABC, 1)], blobs=[]))
    with pytest.raises(FormatError):
        encode_result(Result(id="x", status="refused", reason="", snapshot=0, time=0))
    long = "x" * 70_000
    with pytest.raises(FormatError, match="over the limit"):
        encode_result(Result(id=ABC, status="refused", reason=long, snapshot=0, time=0))


@given(
    st.builds(
        Result,
        id=sha256s,
        status=st.just("published"),
        reason=st.just(""),
        snapshot=positives,
        time=integers,
    )
    | st.builds(
        Result,
        id=sha256s,
        status=st.just("refused"),
        reason=st.text(st.characters(exclude_categories=["Cs"]), max_size=100),
        snapshot=st.just(0),
        time=integers,
    )
)
def test_result_round_trip(result):
    """A result has one encoding."""
    data = encode_result(result)
    assert decode_result(data) == result
    assert encode_result(decode_result(data)) == data


def test_malformed_results_are_refused():
    """A published result with a reason, or a refused one with a snapshot, is refused."""
    assert decode_result(bytes_of(REFUSED)).reason == "No."
    changes = [
        *({"reason": "because"}, {"snapshot": 0}, {"status": "pending"}, {"id": "x"}),
        *({"reason": None}, {"more": 1}, {"schema": 2}),
    ]
    bad = [[], None, REFUSED | {"snapshot": 1}, *(PUBLISHED | each for each in changes)]
    refuse_each(FormatError, decode_result, map(bytes_of, bad))


@given(st.sampled_from(sorted(BUNDLE)), st.sampled_from(sorted(PUBLISHED)), json_values)
def test_changed_members_are_refused_or_have_one_encoding(member, other, value):
    """A changed bundle is refused, or encodes to the same bytes."""
    for decode, encode, base, name in (
        (decode_bundle, lambda each: encode_bundle(each)[1], BUNDLE, member),
        (decode_result, encode_result, PUBLISHED, other),
    ):
        try:
            data = encode_canonical_json(base | {name: value})
            decoded = decode(data)
        except HeningError:
            continue
        assert encode(decoded) == data
