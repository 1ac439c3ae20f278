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
from tests.cases import case, refuse_each
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

# Edwards25519, slow and simple.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def add(a, b):
    """Add two points in the extended coordinates of RFC 8032 section 5.1.4."""
    (x1, y1, z1, t1), (x2, y2, z2, t2) = a, b
    low, high = (y1 - x1) * (y2 - x2), (y1 + x1) * (y2 + x2)
    c, d = 2 * t1 * t2 * D, 2 * z1 * z2
    e, f, g, h = high - low, d - c, d + c, high + low
    return e * f % P, g * h % P, f * g % P, e * h % P


def is_of_order(number, x, y):
    """Return whether that multiple of a point is the neutral element."""
    result, point = (0, 1, 1, 0), (x, y, 1, x * y % P)
    while number:
        if number & 1:
            result = add(result, point)
        point, number = add(point, point), number >> 1
    return result[0] == 0 and result[1] == result[2]


def recover_x(y):
    """Return the even x of a point with that y, or None if there is none."""
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
SMALL_NON_CANONICAL = {
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
}
#: Points of large order whose y was written as y + p.
LARGE_NON_CANONICAL = {
    (y + P | sign << 255).to_bytes(32, "little").hex()
    for y in range(2, 19)
    for sign in (0, 1)
    if recover_x(y) is not None
}
VALID_KEY = signer("armani 1").public_key.keyval["public"]


def check_both(root, targets):
    """Check a root, then targets under it, as every reader does."""
    check_root(root)
    check_targets(root, targets)


def refuse_both(root, targets, match):
    """Check that the root is refused, and that the targets are refused under a valid root."""
    with pytest.raises(ProfileError, match=match):
        check_root(root)
    with pytest.raises(ProfileError, match=match):
        check_targets(make_root(), targets)


def test_rule_3_small_order_and_non_canonical_points_are_refused():
    """Each such key is refused as a point, and as a key of root and of targets."""
    assert len(LARGE_NON_CANONICAL) > 8
    for public in sorted(SMALL | SMALL_NON_CANONICAL | LARGE_NON_CANONICAL):
        with case(public):
            with pytest.raises(ProfileError, match="not a canonical point"):
                check_point(public)
            root, targets = make_root(), make_targets()
            root.add_key(key_of(public), "root")
            targets.add_key(key_of(public), "armani")
            refuse_both(root, targets, "not a canonical point")


def test_rule_3_malformed_key_values_are_refused():
    """Upper case, white space, other lengths and other types are refused."""
    bad = [
        *("", VALID_KEY[:-2], VALID_KEY + "00", VALID_KEY[:-1], VALID_KEY.upper(), " " + VALID_KEY),
        *(
            VALID_KEY[:2] + " " + VALID_KEY[2:],
            VALID_KEY + "\n",
            "zz" + VALID_KEY[2:],
            "\u0661" * 64,
        ),
        *(bytes.fromhex(VALID_KEY), None, 1, []),
    ]
    refuse_each(ProfileError, check_point, bad, "32 bytes of lower-case hex")


@given(st.integers(0, 2**256 - 1))
def test_rule_3_agrees_with_curve_arithmetic(number):
    """The check agrees with plain arithmetic on the curve."""
    raw = number.to_bytes(32, "little")
    y, sign = number & (2**255 - 1), number >> 255
    x = recover_x(y) if y < P else None
    good = x not in {None, 0} and is_of_order(L, P - x if sign else x, y)
    try:
        check_point(raw.hex())
        accepted = True
    except ProfileError:
        accepted = False
    assert accepted == good


def test_valid_metadata_passes():
    """Signed root, targets and roles that keep every rule are read and accepted."""
    root = decode_root(signed(make_root(), *keys_of("root"))).signed
    targets = decode_targets("targets", signed(make_targets(), *keys_of("targets"))).signed
    check_root(root)
    check_targets(root, targets)
    role = make_role({"armani/id/stable/a.zip": {}, "armani/eu/beta/b.zip": None})
    check_delegated("armani", role)
    check_delegated("latest", make_role({"latest/armani/id/stable": {}}))


def test_rule_1_one_public_key_under_two_ids_is_refused():
    """One public key under two ids is refused in root, in targets, and across both."""
    twin = key_of(signer("root 1").public_key.keyval["public"], "f" * 64)
    root, targets = make_root(), make_targets()
    root.keys[twin.keyid] = targets.delegations.keys[twin.keyid] = twin
    refuse_both(root, targets, "has two ids")


def test_rule_2_a_key_id_that_is_not_the_hash_of_its_key_is_refused():
    """An arbitrary id, another length or an upper-case hash is refused."""
    key = key_of(signer("stranger").public_key.keyval["public"])
    for keyid in ("f" * 64, "short", "", key.keyid.upper()):
        key.keyid = keyid
        with case(keyid), pytest.raises(ProfileError, match="is not the hash of its key"):
            check_keys({keyid: key})


def test_rule_4_duplicate_delegations_are_refused():
    """A second entry of the list, equal or not, is refused when the file is read."""
    for changes in ({}, {"threshold": 1}, {"paths": ["armani/id/*/*"]}):
        document = json.loads(signed(make_targets(), *keys_of("targets")))
        roles = document["signed"]["delegations"]["roles"]
        first = next(role for role in roles if role["name"] == "armani")
        assert decode_targets("targets", json.dumps(document).encode()).signed == make_targets()
        roles.append(first | changes)
        with case(changes), pytest.raises(FormatError):
            decode_targets("targets", json.dumps(document).encode())


def test_rule_4_nested_delegations_are_refused():
    """A role below targets may not delegate, not even with an empty list."""
    role = make_role()
    for delegations in (Delegations({}, {}), SUCCINCT):
        role.delegations = delegations
        with pytest.raises(ProfileError, match="delegates to other roles"):
            check_delegated("armani", role)


def test_rule_5_unreachable_thresholds_are_refused():
    """A threshold below one, above the number of keys, or that is no integer is refused."""
    for threshold in [0, -1, 3, 2**53, True, 1.0]:
        for name in ["root", "targets", "armani", "tables", "content"]:
            with case(threshold, name):
                root, targets = make_root(), make_targets()
                roles = root.roles if name in root.roles else targets.delegations.roles
                roles[name].threshold = threshold
                with pytest.raises(ProfileError, match=f"{name} requires"):
                    check_both(root, targets)


def test_rule_5_counts_keys_not_ids():
    """The same id named twice is one key, and a role counts only keys in the file."""
    for name in ("snapshot", "timestamp", "latest", "armani"):
        with case(name):
            root, targets = make_root(), make_targets()
            role = {**root.roles, **targets.delegations.roles}[name]
            count, before = len(role.keyids), list(role.keyids)
            role.keyids *= 2
            role.threshold = count + 1
            sentence = f"requires {count + 1} signatures but has {count} keys"
            with pytest.raises(ProfileError, match=sentence):
                check_both(root, targets)
            role.keyids, role.threshold = [*before, "a" * 64], 1
            with pytest.raises(ProfileError, match="names a key that is missing"):
                check_both(root, targets)


def test_rule_6_other_keys_are_refused():
    """Any other type, scheme or shape of key is refused, used or not."""
    for name, value in (
        *(("keytype", "rsa"), ("keytype", "ed448"), ("keytype", "ED25519")),
        *(("scheme", "rsassa-pss-sha256"), ("scheme", "ed25519ph"), ("keyval", {})),
        *(("keyval", {"public": VALID_KEY, "private": ""}), ("keyval", {"PUBLIC": VALID_KEY})),
    ):
        key = key_of(VALID_KEY)
        setattr(key, name, value)
        root, targets = make_root(), make_targets()
        root.keys[key.keyid] = targets.delegations.keys[key.keyid] = key
        with case(name, value):
            refuse_both(root, targets, "is not an ed25519 key")


def test_rule_7_other_delegations_are_refused():
    """Delegations that do not terminate, or have other patterns or names, are refused."""
    own = ["armani/*/*/*"]
    rows = [
        *({"terminating": False}, {"paths": []}, {"paths": ["dior/*/*/*"]}, {"paths": ["*"]}),
        *({"paths": ["*/*/*/*"]}, {"paths": ["armani/*/*"]}, {"paths": [*own, "dior/*/*/*"]}),
        *({"paths": own * 2}, {"paths": None, "path_hash_prefixes": ["00"]}),
    ]
    changes = [("armani", row, "not terminating for its own path") for row in rows]
    for name in ("mirrors", "latest-g", "Armani", "a" * 33, "a/b", "..", "\u0430"):
        row = {"paths": [f"{name}/*/*/*"]}
        changes.append((name, row, "is not a name for a delegated role"))
    for name, row, match in changes:
        targets = make_targets()
        old = targets.delegations.roles["armani"]
        fields = {"terminating": True, "paths": old.paths} | row
        targets.delegations.roles[name] = DelegatedRole(name, old.keyids, 2, **fields)
        with case(name, row), pytest.raises(ProfileError, match=match):
            check_targets(make_root(), targets)


def test_rule_7_values_that_python_tuf_does_not_check_are_refused():
    """`terminating` must be `true`, and a name must be text."""
    for member, value in (
        *(("terminating", value) for value in ("x", 1, [1], {"a": 1})),
        *(("name", 7), ("name", True)),
    ):

        def change(part, member=member, value=value):
            part["delegations"]["roles"][0][member] = value

        data = edited(make_targets(), change, *keys_of("targets"))
        with case(value), pytest.raises(ProfileError, match=r"is not (terminating|a name)"):
            check_targets(make_root(), decode_targets("targets", data).signed)


SUCCINCT = Delegations({}, None, SuccinctRoles([], 1, 2, "armani"))


def test_rule_7_missing_roles_and_listed_files_are_refused():
    """Targets must delegate to the common roles, and list no files themselves."""
    for name in ("tables", "content", "latest"):
        targets = make_targets()
        del targets.delegations.roles[name]
        with pytest.raises(ProfileError, match=f"does not delegate to {name}"):
            check_targets(make_root(), targets)
    for delegations in (None, SUCCINCT):
        targets.delegations = delegations
        with pytest.raises(ProfileError, match="no delegations by name"):
            check_targets(make_root(), targets)
    targets = make_targets()
    targets.targets = make_role({"armani/id/stable/a.zip": None}).targets
    with pytest.raises(ProfileError, match="may only delegate"):
        check_targets(make_root(), targets)


def test_rule_8_shared_keys_are_refused():
    """Online roles share no key with each other, root, targets, or a role below targets."""
    for one, other in (
        *(("snapshot", "timestamp"), ("snapshot", "root 1"), ("snapshot", "targets 2")),
        *(("timestamp", "root 2"), ("timestamp", "targets 1")),
    ):
        root = make_root()
        root.add_key(signer(other).public_key, one)
        with case(one, other), pytest.raises(ProfileError, match="separate keys"):
            check_root(root)
    for online in ("snapshot", "timestamp", "latest"):
        for offline in ("armani", "tables", "content"):
            targets = make_targets()
            targets.add_key(signer(online).public_key, offline)
            sentence = f"online role {online} shares a key with {offline}"
            with pytest.raises(ProfileError, match=sentence):
                check_targets(make_root(), targets)
    for offline in ("root 1", "targets 2"):
        targets = make_targets()
        targets.add_key(signer(offline).public_key, "latest")
        with pytest.raises(ProfileError, match="online role latest shares a key with"):
            check_targets(make_root(), targets)


def test_consistent_snapshots_are_required():
    """`consistent_snapshot` must be `true`."""
    root = make_root()
    for value in (None, False, 1, "yes"):
        root.consistent_snapshot = value
        with case(value), pytest.raises(ProfileError, match="consistent snapshots"):
            check_root(root)


def test_root_must_name_the_log_key():
    """A root must name the log's key in `custom`; malformed and weak keys are refused.

    Anyone can forge signatures for a point of small order.
    """
    public = "e932791ae6e7a840a46164c904786426d5e7821dd8b29a00d61cae72afdd4da4"
    root = make_root()
    assert log_verifier(root) == VerifierKey("example.com/foo", bytes.fromhex(public))
    weak = [str(VerifierKey("log", bytes([first, *[0] * 31]))) for first in (1, 0)]
    for custom in (
        *(None, [], {}, {"log": VKEY}, {"schema": 1}),
        *({"log": VKEY, "schema": schema} for schema in (2, True, 1.0, "1")),
        *({"log": log, "schema": 1} for log in (None, [VKEY], "", VKEY + " ", *weak)),
    ):
        root.unrecognized_fields["custom"] = custom
        with case(custom), pytest.raises(ProfileError):
            check_root(root)
    root.unrecognized_fields.clear()
    with pytest.raises(ProfileError, match="no `custom` object"):
        check_root(root)


def test_foreign_paths_and_malformed_hashes_are_refused():
    """A role may list only its own paths, with a sha256, which becomes part of a path."""
    bad = ["dior/id/stable/a.zip", "a.zip", "armani", "armani2/id/stable/a.zip", "/armani/a.zip"]
    roles = [make_role({path: None}) for path in bad]
    refuse_each(
        ProfileError, lambda role: check_delegated("armani", role), roles, "not a path of this role"
    )
    path = "armani/id/stable/a.zip"
    role = make_role({path: None})
    for hashes, match in (
        *(
            ({"sha512": "00"}, "hashes other than"),
            ({"sha256": "00", "sha512": "00"}, "hashes other than"),
        ),
        *(
            ({"sha256": sha256}, "with a malformed sha256")
            for sha256 in ("../../../x", "", "A" * 64, "a" * 63, "a" * 65, "a" * 63 + "\n")
        ),
    ):
        role.targets[path].hashes = hashes
        with case(hashes), pytest.raises(ProfileError, match=match):
            check_delegated("armani", role)


def test_non_integer_target_length_is_refused():
    """A length of `true`, which python-tuf accepts as 1, is refused."""
    path = "armani/id/stable/a.zip"
    changed = edited(
        make_role({path: None}),
        lambda part: part["targets"][path].update(length=True),
        *keys_of("armani"),
    )
    with pytest.raises(ProfileError, match="not a number"):
        check_delegated("armani", decode_targets("armani", changed).signed)


ROOT = signed(make_root(), *keys_of("root"))
TARGETS = signed(make_targets(), *keys_of("targets"))


@given(mutated(lambda: json.loads(ROOT)))
def test_mutated_root_raises_only_our_error(document):
    """A validly signed root with random changes raises only our error.

    An accepted root has a canonical form.
    """
    with contextlib.suppress(HeningError):
        metadata = decode_root(json.dumps(document).encode())
        assert metadata.signed_bytes
        check_root(metadata.signed)


@given(mutated(lambda: json.loads(TARGETS)))
def test_mutated_targets_raise_only_our_error(document):
    """Validly signed targets with random changes raise only our error."""
    with contextlib.suppress(HeningError):
        metadata = decode_targets("targets", json.dumps(document).encode())
        assert metadata.signed_bytes
        check_targets(make_root(), metadata.signed)
