import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tuf.api.metadata import DelegatedRole, Delegations, SuccinctRoles

from server.core.errors import FormatError, HeningError, ProfileError
from server.core.metadata import decode_root, decode_targets
from server.core.note import VerifierKey
from server.core.profile import (
    check_delegated,
    check_keys,
    check_point,
    check_root,
    check_targets,
    log_verifier,
)
from tests.cases import case
from tests.server.core.mutations import mutated
from tests.server.core.tuf_objects import (
    VKEY,
    edited,
    key_of,
    keys_of,
    make_role,
    make_root,
    make_targets,
    signed,
    signer,
)

# Edwards25519 in affine coordinates, slow and simple.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def add(a, b):
    """Add two points."""
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2 % P
    x3 = (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P
    return x3, (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P


def multiply(number, point):
    """Add a point to itself that many times."""
    result = (0, 1)
    while number:
        if number & 1:
            result = add(result, point)
        point, number = add(point, point), number >> 1
    return result


def recover_x(y):
    """Return the even x of a point with that y, or None when there is none."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square:
        return None
    return x if x % 2 == 0 else P - x


#: The eight points whose order divides eight, as in the published tables.
SMALL = {
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
}
#: The same points with y + p for y, or with the sign bit that an x of zero cannot have.
SMALL_AGAIN = {
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
}
#: Points of large order whose y was written as y + p.
LARGE_AGAIN = {
    (y + P | sign << 255).to_bytes(32, "little").hex()
    for y in range(2, 19)
    for sign in (0, 1)
    if recover_x(y) is not None
}
HONEST = signer("armani 1").public_key.keyval["public"]


def check_both(root, targets):
    """Check root, then targets under it, as every reader does."""
    check_root(root)
    check_targets(root, targets)


def test_rule_3_small_order_and_non_canonical_points_are_refused():
    """Each such key is refused as a point, and as a key of root and of targets."""
    assert len(LARGE_AGAIN) > 8
    for public in sorted(SMALL | SMALL_AGAIN | LARGE_AGAIN):
        with case(public):
            with pytest.raises(ProfileError, match="not a point that can be trusted"):
                check_point(public)
            root, targets = make_root(), make_targets()
            key = key_of(public)
            root.add_key(key, "root")
            targets.add_key(key, "armani")
            with pytest.raises(ProfileError, match="not a point"):
                check_root(root)
            with pytest.raises(ProfileError, match="not a point"):
                check_targets(make_root(), targets)


@pytest.mark.parametrize(
    "public",
    [
        "",
        HONEST[:-2],
        HONEST + "00",
        HONEST[:-1],
        HONEST.upper(),
        " " + HONEST,
        HONEST[:2] + " " + HONEST[2:],
        HONEST + "\n",
        "zz" + HONEST[2:],
        "\u0661" * 64,
        bytes.fromhex(HONEST),
        None,
        1,
        [],
    ],
)
def test_rule_3_only_64_lower_case_digits_are_a_key(public):
    """Upper case, white space, other lengths and other types are refused."""
    with pytest.raises(ProfileError, match="32 bytes of lower-case hex"):
        check_point(public)


@given(st.integers(0, 2**256 - 1))
def test_canonical_points_of_large_order_are_exactly_what_passes(number):
    """The library's answer equals that of plain arithmetic on the curve."""
    raw = number.to_bytes(32, "little")
    y, sign = number & (2**255 - 1), number >> 255
    x = recover_x(y) if y < P else None
    point = (P - x if x and sign else x, y)
    good = x is not None and x != 0 and multiply(L, point) == (0, 1)
    try:
        check_point(raw.hex())
        accepted = True
    except ProfileError:
        accepted = False
    assert accepted == good


def test_what_keeps_the_profile_passes():
    """Signed root, targets and roles that keep every rule are read and accepted."""
    root = decode_root(signed(make_root(), *keys_of("root"))).signed
    targets = decode_targets("targets", signed(make_targets(), *keys_of("targets"))).signed
    check_root(root)
    check_targets(root, targets)
    role = make_role({"armani/id/stable/a.zip": {}, "armani/eu/beta/b.zip": None})
    check_delegated("armani", role)
    check_delegated("latest", make_role({"latest/armani/id/stable": {}}))


def test_rule_1_one_public_key_under_two_ids_is_refused():
    """In root, in targets, and across the two."""
    public = signer("root 1").public_key.keyval["public"]
    twin = key_of(public, "f" * 64)
    root, targets = make_root(), make_targets()
    root.keys[twin.keyid] = twin
    with pytest.raises(ProfileError, match="under two ids"):
        check_root(root)
    targets.delegations.keys[twin.keyid] = twin
    with pytest.raises(ProfileError, match="under two ids"):
        check_targets(make_root(), targets)


@pytest.mark.parametrize("keyid", ["f" * 64, "short", "", "upper"])
def test_rule_2_a_key_id_that_is_not_the_hash_of_its_key_is_refused(keyid):
    """An arbitrary id, another length or an upper-case hash is refused."""
    public = signer("stranger").public_key.keyval["public"]
    key = key_of(public)
    key.keyid = key.keyid.upper() if keyid == "upper" else keyid
    with pytest.raises(ProfileError, match="is not the hash of its key"):
        check_keys({key.keyid: key})


@pytest.mark.parametrize("changes", [{}, {"threshold": 1}, {"paths": ["armani/id/*/*"]}])
def test_rule_4_a_name_that_is_delegated_twice_is_refused(changes):
    """A second entry of the list, equal or not, is refused when the file is read."""
    document = json.loads(signed(make_targets(), *keys_of("targets")))
    roles = document["signed"]["delegations"]["roles"]
    first = next(role for role in roles if role["name"] == "armani")
    assert decode_targets("targets", json.dumps(document).encode()).signed == make_targets()
    roles.append(first | changes)
    with pytest.raises(FormatError):
        decode_targets("targets", json.dumps(document).encode())


@pytest.mark.parametrize(
    "delegations", [Delegations({}, {}), Delegations({}, None, SuccinctRoles([], 1, 2, "a"))]
)
def test_rule_4_a_delegated_role_does_not_delegate(delegations):
    """A role below targets may not delegate, not even with an empty list."""
    role = make_role()
    role.delegations = delegations
    with pytest.raises(ProfileError, match="delegates to others"):
        check_delegated("armani", role)


def test_rule_5_a_threshold_that_keys_cannot_meet_is_refused():
    """Below one, above the number of keys, or no number at all."""
    for threshold in [0, -1, 3, 2**53, True, 1.0]:
        for name in ["root", "targets", "armani", "tables", "content"]:
            with case(threshold, name):
                root, targets = make_root(), make_targets()
                roles = root.roles if name in root.roles else targets.delegations.roles
                roles[name].threshold = threshold
                with pytest.raises(ProfileError, match=f"{name} asks for"):
                    check_both(root, targets)


@pytest.mark.parametrize("name", ["snapshot", "timestamp", "latest"])
def test_rule_5_counts_keys_not_ids(name):
    """The same id named twice is one key."""
    root, targets = make_root(), make_targets()
    role = {**root.roles, **targets.delegations.roles}[name]
    role.keyids *= 2
    role.threshold = 2
    with pytest.raises(ProfileError, match="asks for 2 signatures and has 1 keys"):
        check_both(root, targets)


@pytest.mark.parametrize("name", ["timestamp", "armani"])
def test_a_key_that_is_named_and_not_there_is_refused(name):
    """A role counts only keys in the file."""
    root, targets = make_root(), make_targets()
    {**root.roles, **targets.delegations.roles}[name].keyids.append("a" * 64)
    with pytest.raises(ProfileError, match="names a key that is not there"):
        check_both(root, targets)


@pytest.mark.parametrize(
    "changes",
    [
        {"keytype": "rsa"},
        {"keytype": "ed448"},
        {"keytype": "ED25519"},
        {"scheme": "rsassa-pss-sha256"},
        {"scheme": "ed25519ph"},
        {"keyval": {}},
        {"keyval": {"public": HONEST, "private": ""}},
        {"keyval": {"PUBLIC": HONEST}},
    ],
)
def test_rule_6_other_keys_are_refused(changes):
    """Any other type, scheme or shape of key is refused, used or not."""
    key = key_of(HONEST)
    for name, value in changes.items():
        setattr(key, name, value)
    root, targets = make_root(), make_targets()
    root.keys[key.keyid] = key
    targets.delegations.keys[key.keyid] = key
    with pytest.raises(ProfileError, match="is not an ed25519 key"):
        check_root(root)
    with pytest.raises(ProfileError, match="is not an ed25519 key"):
        check_targets(make_root(), targets)


@pytest.mark.parametrize(
    "changes",
    [
        {"terminating": False},
        {"paths": []},
        {"paths": ["dior/*/*/*"]},
        {"paths": ["*"]},
        {"paths": ["*/*/*/*"]},
        {"paths": ["armani/*/*"]},
        {"paths": ["armani/*/*/*", "dior/*/*/*"]},
        {"paths": ["armani/*/*/*", "armani/*/*/*"]},
        {"paths": None, "path_hash_prefixes": ["00"]},
    ],
)
def test_rule_7_other_delegations_are_refused(changes):
    """Not terminating, other or more patterns, or hash prefixes."""
    targets = make_targets()
    old = targets.delegations.roles["armani"]
    fields = {"terminating": True, "paths": old.paths} | changes
    targets.delegations.roles["armani"] = DelegatedRole("armani", old.keyids, 2, **fields)
    with pytest.raises(ProfileError, match="not terminating for its own path"):
        check_targets(make_root(), targets)


@pytest.mark.parametrize("name", ["mirrors", "latest-g", "Armani", "a" * 33, "a/b", "..", "\u0430"])
def test_rule_7_other_names_are_refused(name):
    """Reserved names and texts that are no role names are not delegated to."""
    targets = make_targets()
    old = targets.delegations.roles["armani"]
    targets.delegations.roles[name] = DelegatedRole(
        name, old.keyids, 2, terminating=True, paths=[f"{name}/*/*/*"]
    )
    with pytest.raises(ProfileError, match="is not a name for a delegated role"):
        check_targets(make_root(), targets)


@pytest.mark.parametrize(
    ("member", "value"),
    [*(("terminating", value) for value in ("x", 1, [1], {"a": 1})), ("name", 7), ("name", True)],
)
def test_rule_7_values_that_python_tuf_does_not_check_are_refused(member, value):
    """Only `true` is true, and a name is a text."""

    def change(part):
        part["delegations"]["roles"][0][member] = value

    data = edited(make_targets(), change, *keys_of("targets"))
    with pytest.raises(ProfileError, match=r"is not (terminating|a name)"):
        check_targets(make_root(), decode_targets("targets", data).signed)


@pytest.mark.parametrize("name", ["tables", "content", "latest"])
def test_rule_7_the_common_roles_are_delegated_to(name):
    """A targets role without one of them is refused."""
    targets = make_targets()
    del targets.delegations.roles[name]
    with pytest.raises(ProfileError, match=f"does not delegate to {name}"):
        check_targets(make_root(), targets)


@pytest.mark.parametrize(
    "delegations", [None, Delegations({}, None, SuccinctRoles([], 1, 2, "armani"))]
)
def test_rule_7_succinct_roles_are_refused(delegations):
    """Delegations are by name; a missing list is refused too."""
    targets = make_targets()
    targets.delegations = delegations
    with pytest.raises(ProfileError, match="no delegations by name"):
        check_targets(make_root(), targets)


def test_the_targets_role_lists_nothing_itself():
    """Targets at the top level would match no role's pattern."""
    targets = make_targets()
    targets.targets = make_role({"armani/id/stable/a.zip": None}).targets
    with pytest.raises(ProfileError, match="may only delegate"):
        check_targets(make_root(), targets)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("snapshot", "timestamp"),
        ("snapshot", "root 1"),
        ("snapshot", "targets 2"),
        ("timestamp", "root 2"),
        ("timestamp", "targets 1"),
    ],
)
def test_rule_8_shared_keys_in_root_are_refused(one, other):
    """Snapshot and timestamp share no key with each other, root or targets."""
    root = make_root()
    root.add_key(signer(other).public_key, one)
    with pytest.raises(ProfileError, match="keys of their own"):
        check_root(root)


@pytest.mark.parametrize("online", ["snapshot", "timestamp", "latest"])
@pytest.mark.parametrize("offline", ["armani", "tables", "content"])
def test_rule_8_shared_keys_below_targets_are_refused(online, offline):
    """No delegated offline role has an online role's key."""
    targets = make_targets()
    targets.add_key(signer(online).public_key, offline)
    with pytest.raises(ProfileError, match=f"online role {online} shares a key with {offline}"):
        check_targets(make_root(), targets)


@pytest.mark.parametrize("offline", ["root 1", "targets 2"])
def test_the_online_role_latest_shares_no_key_with_root_or_targets(offline):
    """The third online role shares none with the top-level roles either."""
    targets = make_targets()
    targets.add_key(signer(offline).public_key, "latest")
    with pytest.raises(ProfileError, match="online role latest shares a key with"):
        check_targets(make_root(), targets)


@pytest.mark.parametrize("value", [None, False, 1, "yes"])
def test_consistent_snapshots_are_required(value):
    """Only `true` is true."""
    root = make_root()
    root.consistent_snapshot = value
    with pytest.raises(ProfileError, match="consistent snapshots"):
        check_root(root)


def test_root_names_the_log():
    """The verifier key of the log is read from root's `custom`."""
    public = "e932791ae6e7a840a46164c904786426d5e7821dd8b29a00d61cae72afdd4da4"
    assert log_verifier(make_root()) == VerifierKey("example.com/foo", bytes.fromhex(public))


@pytest.mark.parametrize(
    "custom",
    [
        None,
        [],
        {},
        {"log": VKEY},
        {"log": VKEY, "schema": 2},
        {"log": VKEY, "schema": True},
        {"log": VKEY, "schema": 1.0},
        {"log": VKEY, "schema": "1"},
        {"schema": 1},
        {"log": None, "schema": 1},
        {"log": [VKEY], "schema": 1},
        {"log": "", "schema": 1},
        {"log": VKEY + " ", "schema": 1},
        {"log": str(VerifierKey("log", bytes([1, *[0] * 31]))), "schema": 1},
        {"log": str(VerifierKey("log", bytes(32))), "schema": 1},
    ],
)
def test_a_root_without_a_sound_log_key_is_refused(custom):
    """Missing, of another schema, malformed, or a point of small order that anyone can sign for."""
    root = make_root()
    root.unrecognized_fields["custom"] = custom
    with pytest.raises(ProfileError):
        check_root(root)
    root.unrecognized_fields.clear()
    with pytest.raises(ProfileError, match="no `custom` object"):
        check_root(root)


@pytest.mark.parametrize(
    "path", ["dior/id/stable/a.zip", "a.zip", "armani", "armani2/id/stable/a.zip", "/armani/a.zip"]
)
def test_a_delegated_role_lists_its_own_paths_only(path):
    """A model's role cannot list another model's paths."""
    with pytest.raises(ProfileError, match="not its own"):
        check_delegated("armani", make_role({path: None}))


@pytest.mark.parametrize("hashes", [{"sha512": "00"}, {"sha256": "00", "sha512": "00"}])
def test_targets_have_a_sha256_and_nothing_else(hashes):
    """Other algorithms are refused, alone or beside sha256."""
    role = make_role({"armani/id/stable/a.zip": None})
    role.targets["armani/id/stable/a.zip"].hashes = hashes
    with pytest.raises(ProfileError, match="other hashes"):
        check_delegated("armani", role)


@pytest.mark.parametrize(
    "sha256", ["../../../x", "", "A" * 64, "a" * 63, "a" * 65, "a" * 63 + "\n"]
)
def test_a_sha256_has_its_form(sha256):
    """It becomes part of a path."""
    role = make_role({"armani/id/stable/a.zip": None})
    role.targets["armani/id/stable/a.zip"].hashes["sha256"] = sha256
    with pytest.raises(ProfileError, match="with a sha256 that is none"):
        check_delegated("armani", role)


@given(mutated(lambda: json.loads(signed(make_root(), *keys_of("root")))))
def test_a_root_that_is_changed_anywhere_raises_only_our_error(document):
    """Whatever a thief of its keys may sign; accepted roots have a canonical form."""
    with contextlib.suppress(HeningError):
        metadata = decode_root(json.dumps(document).encode())
        assert metadata.signed_bytes
        check_root(metadata.signed)


@given(mutated(lambda: json.loads(signed(make_targets(), *keys_of("targets")))))
def test_targets_that_are_changed_anywhere_raise_only_our_error(document):
    """The same for targets."""
    with contextlib.suppress(HeningError):
        metadata = decode_targets("targets", json.dumps(document).encode())
        assert metadata.signed_bytes
        check_targets(make_root(), metadata.signed)


def test_the_length_of_a_target_is_a_number():
    """A length of `true`, which python-tuf takes for 1, is refused although signed."""
    data = edited(
        make_role({"armani/id/stable/a.zip": None}),
        lambda part: part["targets"]["armani/id/stable/a.zip"].update(length=True),
        *keys_of("armani"),
    )
    with pytest.raises(ProfileError, match="not a number"):
        check_delegated("armani", decode_targets("armani", data).signed)
