"""The cloud's policies: which are valid, and which may follow."""

import pytest

from server.core.cloud_policy import (
    check_follows,
    convert_policy,
    decode_policy,
    encode_policy,
    policy_key_name,
    read_policy,
)
from server.core.errors import FormatError, LogError
from server.core.note import VerifierKey
from tests.cases import case
from tests.server.cloud.policies import DAYS, HOURS, KEY, SIGNER, VALUES, make_policy, sign


def test_policy_signature_is_verified():
    """A policy verifies only with its own key and unchanged."""
    policy = make_policy(version=3)
    note = sign(policy)
    assert decode_policy(note, KEY) == policy
    assert policy.starts == 0
    with pytest.raises(LogError):
        decode_policy(note.replace(b'"erase":72', b'"erase":99'), KEY)
    with pytest.raises(LogError):
        decode_policy(note, VerifierKey(policy_key_name("eu"), KEY.public))
    with pytest.raises(FormatError, match="not a JSON object"):
        read_policy("[]\n")


def test_malformed_policies_are_refused():
    """Every member is required, and the message names the invalid one."""
    for changed, sentence in (
        ({"schema": 2}, "schema"),
        ({"more": 1}, "more"),
        ({"region": "I"}, "region"),
        ({"country": "id"}, "country"),
        ({"country": "SG"}, "lacks country"),
        ({"may_live_in": ["ID", "SG"]}, "transfer is not allowed"),
        ({"transfer": {"allowed": True, "basis": ""}}, "name its legal basis"),
        (
            {"may_live_in": ["ID", "ID"], "transfer": {"allowed": True, "basis": "x"}},
            "names a country twice",
        ),
        ({"minimum_age": 19}, "guardian_below"),
        ({"hours": {**HOURS, "erase": 0}}, "erase"),
        ({"hours": {**HOURS, "erase": 9000}}, "erase"),
        ({"days": {**DAYS, "notice": 730}}, "days.notice"),
        ({"days": {**DAYS, "tombstones": 29}}, "days.tombstones"),
        ({"text": {}}, "text"),
        ({"text": {"en": "abc"}}, "sha256"),
        ({"receipts": str(KEY)}, "hening-receipt/id"),
        ({"laws": []}, "laws"),
    ):
        with case(changed), pytest.raises(FormatError, match=sentence):
            make_policy(**changed)
    for name in VALUES:
        with pytest.raises(FormatError, match=name):
            convert_policy({other: VALUES[other] for other in VALUES if other != name})


def test_valid_and_invalid_successors():
    """A successor has the same region, a higher version, and no earlier begin."""
    before = make_policy(version=2, **{"from": 100})
    check_follows(make_policy(version=5, **{"from": 100}), before)
    for changed, sentence in (
        ({"version": 2, "from": 200}, "is not above 2"),
        ({"version": 3, "from": 99}, "later `from`"),
        ({"version": 3, "from": 200, "region": "br"}, "for the region br"),
    ):
        with pytest.raises(FormatError, match=sentence):
            check_follows(make_policy(**changed), before)


def test_oversized_policy_is_not_signed():
    """A policy over the limit of a note, 4,096 bytes, is not signed."""
    policy = make_policy(laws=[{"name": "x" * 160, "articles": ["y" * 160] * 32}])
    with pytest.raises(FormatError, match="over the limit"):
        encode_policy(policy, KEY, lambda text: SIGNER.sign(text).signature)
