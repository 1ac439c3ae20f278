import hashlib
import json
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.encodings import encode_canonical_json
from signer.errors import ReleaseRefusal
from signer.release.proof import MAX_PROOF, Proof, decode_proof, load_proof
from tests.cases import case
from tests.strategies import json_values

PAGE = (Path(__file__).parents[3] / "docs/FORMATS.md").read_text(encoding="utf-8")
VECTOR = re.search(
    r"^## 14\. .*?^```json\n(.*?)^```$\n\nsha256 `(.*?)`", PAGE, re.MULTILINE | re.DOTALL
)
DATA, VALUE = VECTOR[1].encode(), json.loads(VECTOR[1])


def _encode(**changes):
    return encode_canonical_json(VALUE | changes)


def test_vector_of_formats(tmp_path) -> None:
    """The example of FORMATS section 14 is read."""
    assert hashlib.sha256(DATA).hexdigest() == VECTOR[2]
    path = tmp_path / "report.json"
    path.write_bytes(DATA)
    assert msgspec.to_builtins(load_proof(path)) == VALUE
    assert (VALUE["ways"], VALUE["refusal"]) == (["stream", "whole"], "")


PARTITION = VALUE["partitions"][0]
TAKEN = [
    {"source": None},
    {"ways": ["whole"]},
    {"refusal": "No.", "partitions": [], "ways": ["stream"]},
    {"refusal": "No.", "partitions": [], "rules": ["files"]},
    {"rules": VALUE["rules"][::-1]},
    {"refusal": "No.", "partitions": [], "ways": ["stream", "whole"]},
    {"refusal": "x" * 300, "partitions": [], "ways": ["whole"]},
    {"partitions": [PARTITION | {"name": f"p{number}"} for number in range(128)]},
]
REFUSED = [
    {"certificate": "A" * 64},
    {"certificate": "a" * 64 + "\n"},
    {"codename": "Armani"},
    {"length": 0},
    {"length": 2**53},
    {"length": True},
    {"length": "141000"},
    {"partitions": []},
    {"partitions": [PARTITION | {"name": f"p{number}"} for number in range(129)]},
    {"partitions": [PARTITION, PARTITION]},
    {"partitions": [PARTITION | {"name": "../system"}]},
    {"partitions": [PARTITION | {"size": 0}]},
    {"partitions": [PARTITION | {"more": 1}]},
    {"prover": ""},
    {"prover": "0.1.0 "},
    {"refusal": "No."},
    {"refusal": "x" * 301, "partitions": []},
    {"refusal": "\x1b[2J", "partitions": []},
    {"refusal": "No.", "partitions": [], "rules": []},
    {"rules": []},
    {"rules": VALUE["rules"][1:]},
    {"rules": [*VALUE["rules"], "files"]},
    {"rules": [*VALUE["rules"], "other"]},
    {"sha256": "a" * 63},
    {"source": {}},
    {"source": VALUE["source"] | {"fingerprint": "a b"}},
    {"ways": []},
    {"ways": ["stream"]},
    {"ways": ["whole", "stream"]},
    {"ways": ["whole", "other"]},
    {"more": 1},
    {"schema": True},
]


def test_other_forms_are_refused(tmp_path) -> None:
    """There are no defaults and one encoding; limits are tested on both sides."""
    for changes in TAKEN:
        with case(changes):
            assert msgspec.to_builtins(decode_proof(_encode(**changes), "x")) == VALUE | changes
    for name in VALUE:
        value = {key: each for key, each in VALUE.items() if key != name}
        with case(name), pytest.raises(ReleaseRefusal, match="is not a report"):
            decode_proof(encode_canonical_json(value), "x")
    with pytest.raises(ReleaseRefusal, match="has schema 2, which this version does not know"):
        decode_proof(_encode(schema=2), "x")
    for changes in REFUSED:
        with (
            case(changes),
            pytest.raises(
                ReleaseRefusal, match=r"^x\.json is not a report of `hening-device prove`"
            ),
        ):
            decode_proof(_encode(**changes), "x.json")
    spaced = DATA.replace(b":", b": ", 1)
    for data in (DATA[:-1], DATA + b" ", spaced, b"", b"{", b"[" * 20_000, b"\xff"):
        with case(data), pytest.raises(ReleaseRefusal, match="is not a report"):
            decode_proof(data, "x")
    path = tmp_path / "long.json"
    path.write_bytes(DATA[:-1] + b" " * MAX_PROOF)
    with pytest.raises(ReleaseRefusal, match=r"^long\.json is not a report"):
        load_proof(path)


@given(st.binary())
def test_arbitrary_bytes_are_refused(data) -> None:
    """Arbitrary bytes are refused with a ReleaseRefusal."""
    with pytest.raises(ReleaseRefusal):
        decode_proof(data, "x")


@given(st.sampled_from(sorted(VALUE)), json_values)
def test_arbitrary_member(name, value) -> None:
    """Each accepted report has one encoding."""
    data = json.dumps(
        VALUE | {name: value}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode("utf-8", "surrogatepass")
    try:
        proof = decode_proof(data + b"\n", "x")
    except ReleaseRefusal:
        return
    assert isinstance(proof, Proof)
    assert encode_canonical_json(msgspec.to_builtins(proof)) == data + b"\n"
