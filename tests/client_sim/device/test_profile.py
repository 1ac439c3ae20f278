import hashlib

import pytest
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.metadata import DelegatedRole, Delegations, Role, SuccinctRoles, TargetFile

from client_sim.device.errors import ProfileError
from client_sim.device.profile import check_leaf_role, check_root, check_targets
from client_sim.device.tlog import is_good_point
from tests.cases import case
from tests.client_sim.device.repository_simulator import Log, Repository

# The generator of the group, RFC 8032 section 5.1, and points of order 1, 2, 4, 8 and 8 in their
# canonical encodings (curve25519's torsion). y = p + 1 is a second encoding of the
# identity, y = p + 3 one of 3.
BASE = "58" + "66" * 31
FORGEABLE = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def _check(repository):
    root, targets = repository.signed["root"], repository.signed["targets"]
    log = check_root(root)
    check_targets(root, targets)
    return log


def _delegations(repository):
    return repository.signed["targets"].delegations


def _key(public, keyid=None, scheme="ed25519", keytype="ed25519", **extra):
    text = f'{{"keytype":"ed25519","keyval":{{"public":"{public}"}},"scheme":"ed25519"}}'
    keyid = keyid or hashlib.sha256(text.encode()).hexdigest()
    return SSlibKey(keyid, keytype, scheme, {"public": public, **extra})


def _with_key(key, place="root"):
    def change(repository):
        keys = repository.signed["root"].keys if place == "root" else _delegations(repository).keys
        keys[key.keyid] = key

    return change


def _twin(known, place):
    """List a key of one file under another key ID, in the same file or in the other one."""

    def change(repository):
        keys = {"root": repository.signed["root"].keys, "targets": _delegations(repository).keys}
        public = next(iter(keys[known].values())).keyval["public"]
        keys[place]["0" * 64] = _key(public, keyid="0" * 64)

    return change


def _shared(first, second):
    """Give a role a key of another role."""

    def change(repository):
        key = repository.signers[first][0].public_key
        root = repository.signed["root"]
        if second in root.roles:
            root.add_key(key, second)
        else:
            _delegations(repository).keys[key.keyid] = key
            _delegations(repository).roles[second].keyids.append(key.keyid)

    return change


def _threshold(place, role):
    def change(repository):
        roles = repository.signed["root"] if place == "root" else _delegations(repository)
        roles.roles[role].threshold = 2

    return change


def _delegated(name="dior", paths=("dior/*/*/*",), *, terminating=True, prefixes=None):
    """Delegate to one more role."""

    def change(repository):
        delegations = _delegations(repository)
        keyids = delegations.roles["armani"].keyids
        listed = {"paths": list(paths)} if prefixes is None else {"path_hash_prefixes": prefixes}
        delegations.roles[name] = DelegatedRole(name, keyids, 1, terminating, **listed)

    return change


def _custom(value):
    return lambda r: r.signed["root"].unrecognized_fields.update(custom=value)


def _unlisted_key(repository):
    keyid = CryptoSigner.generate_ed25519().public_key.keyid
    repository.signed["root"].roles["targets"] = Role([keyid], 1)


def _own_target(repository):
    repository.signed["targets"].targets["a"] = TargetFile(1, {"sha256": "0" * 64}, "a")


def _bins(repository):
    bins = SuccinctRoles(["k"], 1, 8, "bin")
    repository.signed["targets"].delegations = Delegations({}, None, bins)


VKEY = Log().vkey
# By the rules of FORMATS section 2: what is changed, and words of the refusal.
REFUSED = [
    *((_twin(known, place), "two ids") for known, place in (("root", "root"), ("root", "targets"))),
    (_twin("targets", "targets"), "two ids"),
    (_with_key(_key("ab" * 32, keyid="0" * 64)), "."),
    (_with_key(_key("AB" * 32)), "."),
    (_with_key(_key("ab" * 31)), "."),
    (_with_key(_key("zz" * 32)), "."),
    (_with_key(_key("ab" * 32, scheme="ed25519ph")), "."),
    (_with_key(_key("ab" * 32, keytype="rsa", scheme="rsassa-pss-sha256")), "."),
    (_with_key(_key(BASE, extra="field")), "."),
    *(
        (_with_key(_key(public), place), "can be forged")
        for public in FORGEABLE
        for place in ("root", "targets")
    ),
    (_threshold("root", "targets"), "threshold"),
    (_threshold("targets", "armani"), "threshold"),
    (_unlisted_key, "not listed"),
    (_own_target, "only delegate"),
    (lambda r: _delegations(r).roles.pop("tables"), "tables"),
    (lambda r: setattr(r.signed["targets"], "delegations", None), "delegates to no role"),
    (_delegated(terminating=False), "."),
    (_delegated(paths=["armani/*/*/*"]), "."),
    (_delegated(paths=["*/*/*/*"]), "."),
    (_delegated(paths=["dior/*/*/*", "x/*"]), "."),
    (_delegated(paths=[]), "."),
    (_delegated(prefixes=["00"]), "."),
    *(
        (_delegated(name, [f"{name}/*/*/*"]), ".")
        for name in ("latest-0", "mirrors", "Dior", "a/b")
    ),
    (_bins, "."),
    *((_shared("snapshot", role), ".") for role in ("timestamp", "root", "armani", "content")),
    *((_shared("timestamp", role), ".") for role in ("targets", "tables")),
    *((_shared("latest", role), "shares a key") for role in ("targets", "tables", "armani")),
    (lambda r: setattr(r.signed["root"], "consistent_snapshot", False), "."),
    *((_custom(value), ".") for value in (None, [], {}, {"schema": 1})),
    *((_custom({"log": log, "schema": 1}), ".") for log in ("a+b+c", 7, "x" * 300)),
    *((_custom({"log": VKEY, "schema": schema}), ".") for schema in (2, True)),
]


def test_rules_of_the_profile():
    """A proper repository passes and gives the log's key; each change is refused."""
    proper = Repository()
    proper.signed["root"].unrecognized_fields["custom"]["later"] = {"x": 1}
    _delegated()(proper)
    assert _check(proper).name == proper.log.name
    for number, (change, words) in enumerate(REFUSED):
        repository = Repository()
        change(repository)
        with case(number, words), pytest.raises(ProfileError, match=words):
            _check(repository)


def test_points_of_keys():
    """Rule 3: for a key of small order, or in a second encoding, anyone can forge signatures."""
    assert is_good_point(bytes.fromhex(BASE))
    assert not any(is_good_point(bytes.fromhex(public)) for public in FORGEABLE)


def test_a_role_lists_its_own_paths_and_delegates_no_further(repository):
    """Rule 7: a leaf role with other paths or delegations is refused."""
    role = repository.signed["armani"]
    check_leaf_role("armani", role)
    path = "dior/id/stable/a.zip"
    role.targets[path] = TargetFile(1, {"sha256": "0" * 64}, path)
    with pytest.raises(ProfileError, match="not its own"):
        check_leaf_role("armani", role)
    del role.targets[path]
    part = repository.signed["latest"]
    check_leaf_role("latest-3", part)
    part.targets["tables/zones/a.zip"] = TargetFile(1, {"sha256": "0" * 64}, "tables/zones/a.zip")
    with pytest.raises(ProfileError, match="not its own"):
        check_leaf_role("latest-3", part)
    role.delegations = Delegations({}, {})
    with pytest.raises(ProfileError):
        check_leaf_role("armani", role)
