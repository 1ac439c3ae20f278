import hashlib

import pytest
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.metadata import DelegatedRole, Delegations, Role, SuccinctRoles, TargetFile

from client_sim.device.errors import ProfileError
from client_sim.device.profile import check_leaf_role, check_root, check_targets
from client_sim.device.tlog import is_good_point
from tests.client_sim.device.repository_simulator import Log

# Points of order 1, 2, 4, 8 and 8 in their canonical encodings (curve25519's torsion).
SMALL = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
]
# y = p + 1 is the identity once more; y = p + 3 is p + 3 - p = 3 written too large.
NOT_CANONICAL = [
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def _key(public, keyid=None, scheme="ed25519", keytype="ed25519", **extra):
    text = f'{{"keytype":"ed25519","keyval":{{"public":"{public}"}},"scheme":"ed25519"}}'
    keyid = keyid or hashlib.sha256(text.encode()).hexdigest()
    return SSlibKey(keyid, keytype, scheme, {"public": public, **extra})


def _check(repository):
    root, targets = repository.signed["root"], repository.signed["targets"]
    check_root(root)
    check_targets(root, targets)


def test_the_simulated_repository_keeps_the_profile(repository):
    """The rules let a proper repository pass, and the log's key comes out."""
    _check(repository)
    assert check_root(repository.signed["root"]).name == repository.log.name


def test_targets_delegate_to_the_common_roles(repository):
    """Without delegations, or without one of the three that all phones read, targets is refused."""
    targets = repository.signed["targets"]
    tables = targets.delegations.roles.pop("tables")
    with pytest.raises(ProfileError, match="tables"):
        _check(repository)
    targets.delegations.roles["tables"] = tables
    _check(repository)
    targets.delegations = None
    with pytest.raises(ProfileError, match="delegates to no role"):
        _check(repository)


def test_targets_only_delegates(repository):
    """A target of the top-level role itself is refused."""
    targets = repository.signed["targets"]
    targets.targets["a"] = TargetFile(1, {"sha256": "0" * 64}, "a")
    with pytest.raises(ProfileError, match="only delegate"):
        _check(repository)


@pytest.mark.parametrize("offline", ["targets", "tables", "armani"])
def test_latest_shares_no_key_with_an_offline_role(repository, offline):
    """A thief of an online key must not hold an offline one as well."""
    delegations = repository.signed["targets"].delegations
    roles = repository.signed["root"].roles if offline == "targets" else delegations.roles
    shared = delegations.roles["latest"].keyids[0]
    roles[offline].keyids.append(shared)
    repository.signed["root"].keys[shared] = delegations.keys[shared]
    with pytest.raises(ProfileError, match="shares a key"):
        _check(repository)


def test_a_role_lists_its_own_paths_only(repository):
    """What another model's role lists is refused for every caller."""
    role = repository.signed["armani"]
    path = "dior/id/stable/a.zip"
    role.targets[path] = TargetFile(1, {"sha256": "0" * 64}, path)
    with pytest.raises(ProfileError, match="not its own"):
        check_leaf_role("armani", role)


def test_the_base_point_is_good():
    """The generator of the group, RFC 8032 section 5.1, is a key like any other."""
    assert is_good_point(bytes.fromhex("58" + "66" * 31))


@pytest.mark.parametrize("public", SMALL + NOT_CANONICAL)
def test_keys_with_which_anybody_could_sign_are_refused(repository, public):
    """Rule 3, in root and in targets."""
    assert not is_good_point(bytes.fromhex(public))
    key = _key(public)
    repository.signed["root"].keys[key.keyid] = key
    with pytest.raises(ProfileError, match="can be forged"):
        check_root(repository.signed["root"])
    del repository.signed["root"].keys[key.keyid]
    repository.signed["targets"].delegations.keys[key.keyid] = key
    with pytest.raises(ProfileError, match="can be forged"):
        _check(repository)


@pytest.mark.parametrize("place", ["root", "targets", "both"])
def test_one_key_under_two_ids_is_refused(repository, place):
    """Rule 1: one holder would count twice, be it within a file or across the two."""
    root = repository.signed["root"]
    keys = repository.signed["targets"].delegations.keys
    known = next(iter((keys if place == "targets" else root.keys).values()))
    twin = _key(known.keyval["public"], keyid="0" * 64)
    (root.keys if place == "root" else keys)[twin.keyid] = twin
    with pytest.raises(ProfileError, match="two ids"):
        _check(repository)


@pytest.mark.parametrize(
    "key",
    [
        _key("ab" * 32, keyid="0" * 64),
        _key("AB" * 32),
        _key("ab" * 31),
        _key("zz" * 32),
        _key("ab" * 32, scheme="ed25519ph"),
        _key("ab" * 32, keytype="rsa", scheme="rsassa-pss-sha256"),
        _key("58" + "66" * 31, extra="field"),
    ],
)
def test_malformed_keys_are_refused(repository, key):
    """Rules 2, 3 and 6: id, spelling, type and scheme."""
    repository.signed["root"].keys[key.keyid] = key
    with pytest.raises(ProfileError):
        check_root(repository.signed["root"])


def test_a_threshold_above_the_keys_is_refused(repository):
    """Rule 5, in root and in targets."""
    repository.signed["root"].roles["targets"].threshold = 2
    with pytest.raises(ProfileError, match="threshold"):
        check_root(repository.signed["root"])
    repository.signed["root"].roles["targets"].threshold = 1
    repository.signed["targets"].delegations.roles["armani"].threshold = 2
    with pytest.raises(ProfileError, match="threshold"):
        _check(repository)


def test_a_role_with_an_unlisted_key_is_refused(repository):
    """Rule 5 counts keys that are there."""
    keyid = CryptoSigner.generate_ed25519().public_key.keyid
    repository.signed["root"].roles["targets"] = Role([keyid], 1)
    with pytest.raises(ProfileError, match="not listed"):
        check_root(repository.signed["root"])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("snapshot", "timestamp"),
        ("snapshot", "root"),
        ("timestamp", "targets"),
        ("snapshot", "armani"),
        ("timestamp", "tables"),
        ("snapshot", "content"),
    ],
)
def test_online_keys_are_not_shared(repository, first, second):
    """Rule 8: snapshot and timestamp share no key with each other or an offline role."""
    signer = repository.signers[first][0]
    root = repository.signed["root"]
    if second in root.roles:
        root.add_key(signer.public_key, second)
    else:
        delegations = repository.signed["targets"].delegations
        delegations.keys[signer.public_key.keyid] = signer.public_key
        delegations.roles[second].keyids.append(signer.public_key.keyid)
    with pytest.raises(ProfileError):
        _check(repository)


@pytest.mark.parametrize(
    "role",
    [
        DelegatedRole("dior", ["k"], 1, terminating=False, paths=["dior/*/*/*"]),
        DelegatedRole("dior", ["k"], 1, terminating=True, paths=["armani/*/*/*"]),
        DelegatedRole("dior", ["k"], 1, terminating=True, paths=["*/*/*/*"]),
        DelegatedRole("dior", ["k"], 1, terminating=True, paths=["dior/*/*/*", "x/*"]),
        DelegatedRole("dior", ["k"], 1, terminating=True, paths=[]),
        DelegatedRole("dior", ["k"], 1, terminating=True, path_hash_prefixes=["00"]),
        DelegatedRole("latest-0", ["k"], 1, terminating=True, paths=["latest-0/*/*/*"]),
        DelegatedRole("mirrors", ["k"], 1, terminating=True, paths=["mirrors/*/*/*"]),
        DelegatedRole("Dior", ["k"], 1, terminating=True, paths=["Dior/*/*/*"]),
        DelegatedRole("a/b", ["k"], 1, terminating=True, paths=["a/b/*/*/*"]),
    ],
)
def test_delegations_outside_the_table_are_refused(repository, role):
    """Rule 7: name, pattern and ending are those of the table."""
    delegations = repository.signed["targets"].delegations
    role.keyids = delegations.roles["armani"].keyids
    delegations.roles[role.name] = role
    with pytest.raises(ProfileError):
        _check(repository)


def test_hashed_bins_are_refused(repository):
    """Rule 7: no succinct roles."""
    repository.signed["targets"].delegations = Delegations(
        {}, None, SuccinctRoles(["k"], 1, 8, "bin")
    )
    with pytest.raises(ProfileError):
        _check(repository)


def test_a_role_that_delegates_further_is_refused(repository):
    """Rule 7: only targets delegates."""
    armani = repository.signed["armani"]
    check_leaf_role("armani", armani)
    armani.delegations = Delegations({}, {})
    with pytest.raises(ProfileError):
        check_leaf_role("armani", armani)


def test_consistent_snapshots_are_needed(repository):
    """Without them versions have no paths."""
    repository.signed["root"].consistent_snapshot = False
    with pytest.raises(ProfileError):
        check_root(repository.signed["root"])


@pytest.mark.parametrize(
    "custom",
    [
        None,
        [],
        {},
        {"schema": 1},
        {"log": "a+b+c", "schema": 1},
        {"log": 7, "schema": 1},
        {"log": Log().vkey, "schema": 2},
        {"log": Log().vkey, "schema": True},
        {"log": "x" * 300, "schema": 1},
    ],
)
def test_a_root_names_its_log(repository, custom):
    """Root carries schema 1 and a verifier key that can be used."""
    repository.signed["root"].unrecognized_fields["custom"] = custom
    with pytest.raises(ProfileError):
        check_root(repository.signed["root"])


def test_unknown_members_beside_the_log_are_kept(repository):
    """What a later version adds to root's custom object does not disturb."""
    repository.signed["root"].unrecognized_fields["custom"]["later"] = {"x": 1}
    _check(repository)
