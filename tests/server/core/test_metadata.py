import json
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tuf.api.metadata import Metadata

from server.core.errors import FormatError, HeningError, TrustError
from server.core.metadata import (
    check_expiry,
    decode_root,
    decode_snapshot,
    decode_targets,
    decode_timestamp,
    encode_metadata,
    encode_signed,
    metadata_limit,
    verify_first_root,
    verify_role,
    verify_root,
)
from tests.cases import case, refuse_each
from tests.server.core.tuf_objects import (
    EXPIRES,
    NOW,
    edited,
    keys_of,
    make_role,
    make_root,
    make_snapshot,
    make_targets,
    make_timestamp,
    signed,
    signer,
)
from tests.strategies import json_values

DECODERS = {
    "root": decode_root,
    "snapshot": decode_snapshot,
    "timestamp": decode_timestamp,
    "targets": lambda data: decode_targets("targets", data),
    "armani": lambda data: decode_targets("armani", data),
}
MAKERS = {
    "root": make_root,
    "snapshot": make_snapshot,
    "timestamp": make_timestamp,
    "targets": make_targets,
}


def test_size_limit_is_checked_before_parsing():
    """The length is checked before parsing."""
    limits = {"root": 512_000, "timestamp": 16_384, "snapshot": 2_000_000, "armani": 5_000_000}
    for role, limit in limits.items():
        assert metadata_limit(role) == limit
        with pytest.raises(FormatError, match="is not TUF metadata"):
            DECODERS[role](b" " * limit)
        with pytest.raises(FormatError, match=f"of {limit + 1} bytes is over the limit"):
            DECODERS[role](b" " * (limit + 1))


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("role", DECODERS)
def test_other_role_types_are_refused(kind, role):
    """A file of another role type is refused, whatever its signatures."""
    data = signed(MAKERS[kind](), signer(kind))
    if role == kind or (role, kind) == ("armani", "targets"):
        assert DECODERS[role](data).signed.type == kind
    else:
        with pytest.raises(FormatError, match=f"is of type {kind}"):
            DECODERS[role](data)


def test_encoded_metadata_is_compact():
    """Encoded metadata has no white space, and python-tuf verifies it."""
    metadata = Metadata(make_root())
    metadata.sign(signer("root 1"))
    data = encode_metadata(metadata)
    assert b" " not in data
    assert b"\n" not in data
    assert decode_root(data).signed == make_root()


def test_unserializable_metadata_is_not_encoded():
    """Metadata that python-tuf could not read is not encoded."""
    root = make_root()
    root.unrecognized_fields["custom"] = object()
    with pytest.raises(FormatError, match="cannot be written"):
        encode_metadata(Metadata(root))


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_bytes_raise_only_our_error(data):
    """Arbitrary bytes raise our error in every decoder."""
    for decode in DECODERS.values():
        with pytest.raises(FormatError):
            decode(data)


@given(st.sampled_from(sorted(MAKERS)), st.data())
def test_changed_members_raise_only_our_error(kind, data):
    """A real file with a random change raises only our error."""
    document = json.loads(signed(MAKERS[kind](), *keys_of(kind)))
    place = document["signed"]
    while True:
        name = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[name], dict) or not place[name] or data.draw(st.booleans()):
            break
        place = place[name]
    place[name] = data.draw(json_values)
    changed = json.dumps(document).encode()
    root, targets = make_root(), make_targets()
    calls = [
        lambda: DECODERS[kind](changed),
        lambda: verify_root(changed, root, NOW),
        lambda: verify_role(kind, changed, root, NOW),
        lambda: verify_role("armani", changed, targets, NOW),
    ]
    for call in calls:
        try:
            call()
        except HeningError:
            continue


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda values: st.lists(values) | st.dictionaries(st.text(), values),
        max_leaves=12,
    )
)
@example('\x00\x08\x0c\x1f\x7f \n\r\t "\\ \\u0041 \\" / é \u2028 \U0001f600')
@example({"\U0001f600": 1, "\uffff": 2, "Z": 3, "a": 2**70})
def test_signed_bytes_match_python_tuf(value):
    """Signatures cover the bytes that python-tuf verifies, in any order of keys."""
    targets = make_targets()
    targets.unrecognized_fields["custom"] = value
    metadata = Metadata(targets)
    assert encode_signed(metadata) == metadata.signed_bytes


def test_values_without_canonical_form_are_refused():
    """A float or lone surrogate anywhere is refused, because it has no canonical form."""
    numbers = [1.5, 1e300, float("nan"), float("inf"), -0.0]
    for value in [*numbers, "\ud800", "a\udfff", {"\ud800": 1}, [[{"a": [0.5]}]]]:
        for kind, make in MAKERS.items():
            with case(value, kind):
                document = json.loads(signed(make(), *keys_of(kind)))
                document["signed"]["later"] = value
                with pytest.raises(FormatError, match="has no canonical form"):
                    DECODERS[kind](json.dumps(document).encode())
                del document["signed"]["later"]
                document["later"] = value
                assert DECODERS[kind](json.dumps(document).encode()).signed == make()


def test_values_match_python_json():
    """Values are decoded as python-tuf decodes them, including large integers."""
    document = signed(make_root(), *keys_of("root")).decode()
    for text in (
        '{"a":1,"b":2,"a":3}',
        '"\\ud83d\\ude00 \\u0000\\/\\b \u2028 \x7f"',
        f'{{"\u00e9": ["\U0001f389", {10**40}, -1, true, null]}}',
        "[-0, 18446744073709551616, -9223372036854775809]",
        ' { "a" :\t[ ] ,\r\n"" : {} } ',
    ):
        with case(text):
            data = document.replace('"version":', f'"later": {text}, "version":', 1).encode()
            assert decode_root(data).signed.unrecognized_fields["later"] == json.loads(text)


def test_deep_nesting_is_refused():
    """Deep nesting raises our error and not RecursionError."""
    document = signed(make_targets(), *keys_of("targets")).decode()
    for depth in (500, 900, 100_000):
        text = "[" * depth + "]" * depth
        data = document.replace('"version":', f'"x": {text}, "version":', 1).encode()
        with pytest.raises(HeningError):
            verify_role("targets", data, make_root(), NOW)


def test_malformed_versions_are_refused():
    """A version must be an integer from 1 to 2**53 - 1; `true` is not 1.

    The first two cases have valid signatures.
    """
    for version in (True, 2**53):
        data = edited(make_root(), lambda part, v=version: part.update(version=v), *keys_of("root"))
        with case(version), pytest.raises(FormatError, match="version"):
            decode_root(data)
    document = json.loads(signed(make_root(), *keys_of("root")))
    for version in (1.0, 0, -1, "1", []):
        document["signed"]["version"] = version
        with case(version), pytest.raises(FormatError):
            decode_root(json.dumps(document).encode())


def test_role_needs_threshold_of_distinct_keys():
    """A role needs signatures of different keys up to its threshold.

    An unknown model and root are not roles below targets.
    """
    data = signed(make_role({"armani/id/stable/a.zip": {}}), *keys_of("armani"))
    role = verify_role("armani", data, make_targets(), NOW)
    assert list(role.signed.targets) == ["armani/id/stable/a.zip"]

    def read(names):
        verify_role("armani", signed(make_role(), *map(signer, names)), make_targets(), NOW)

    one, two = "armani 1", "armani 2"
    few = [[], [one], [two], [one, one], [one, "tables 2"], ["tables 1", "tables 2"]]
    refuse_each(HeningError, read, few)
    for name in ("dior", "root", ""):
        with case(name), pytest.raises(HeningError):
            verify_role(name, data, make_targets(), NOW)


def test_metadata_expiry():
    """Metadata is invalid from the second of its expiry; the message has day and role."""
    role = make_role()
    check_expiry("armani", role, EXPIRES - timedelta(seconds=1))
    data = signed(role, *keys_of("armani"))
    for late in (timedelta(0), timedelta(days=400)):
        with pytest.raises(TrustError, match="armani 1 expired on 2026-04-01 00:00 UTC"):
            verify_role("armani", data, make_targets(), EXPIRES + late)


def test_changed_signed_bytes_are_refused():
    """A role file with any changed byte in its signed part is refused."""
    data = signed(make_role({"armani/id/stable/a.zip": {"a": 1}}), *keys_of("armani"))
    targets = make_targets()
    good = verify_role("armani", data, targets, NOW).signed.to_dict()
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1
        try:
            value = verify_role("armani", bytes(changed), targets, NOW)
        except HeningError:
            continue
        assert value.signed.to_dict() == good


def test_non_consecutive_root_is_refused():
    """A root's version must be the next one, and it must not be expired."""
    for version in (1, 3, 2**53 - 1):
        data = signed(make_root(version), *keys_of("root"))
        with pytest.raises(TrustError, match=f"root {version} does not follow root 1"):
            verify_root(data, make_root(), NOW)
    with pytest.raises(TrustError, match="expired"):
        verify_root(signed(make_root(2), *keys_of("root")), make_root(), EXPIRES)


def test_root_rotation_needs_old_and_new_keys():
    """A new root needs enough signatures of the old and the new keys."""
    root = make_root(2)
    root.revoke_key(signer("root 1").public_key.keyid, "root")
    root.add_key(signer("root 3").public_key, "root")
    old, new = [signer("root 1"), signer("root 2")], [signer("root 2"), signer("root 3")]
    assert verify_root(signed(root, *old, new[1]), make_root(), NOW).signed.version == 2
    with pytest.raises(TrustError, match="not signed by its own root keys"):
        verify_root(signed(root, *old), make_root(), NOW)
    with pytest.raises(TrustError, match="not signed by the trusted root keys"):
        verify_root(signed(root, *new), make_root(), NOW)


def test_first_root_is_self_signed():
    """A first root needs the signatures of its own keys."""
    assert verify_first_root(signed(make_root(), *keys_of("root"))).signed == make_root()
    with pytest.raises(TrustError, match="its own root keys"):
        verify_first_root(signed(make_root(), *keys_of("targets")))
