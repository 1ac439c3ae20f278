"""Delegated roles: step 5.6.7 of TUF's client workflow."""

import hashlib

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Delegations, SuccinctRoles, Targets

from tests.client_sim.tuf.simulator import DAY, now

KEY = CryptoSigner.generate_ed25519()


def _build(repository, delegations):
    """Delegate `(delegator, name, options)` each and publish everything."""
    for delegator, name, how in delegations:
        repository.delegate(delegator, name, signers=[KEY], **how)
    names = dict.fromkeys(name for _, name, _ in delegations)
    repository.show_snapshot(*names)
    repository.publish("targets")


END = {"terminating": True}
OTHER = {"paths": ["*.py"]}
# Delegations, then the roles that are asked for, in order, for a target that is nowhere.
GRAPHS = {
    "one": ([("targets", "A", {})], "A"),
    "in order of appearance": ([("targets", "B", {}), ("targets", "A", {})], "BA"),
    "depth first": (
        [("targets", "A", {}), ("targets", "B", {}), ("A", "C", {}), ("A", "D", {})],
        "ACDB",
    ),
    "three deep": (
        [("targets", "A", {}), ("targets", "B", {}), ("A", "C", {}), ("C", "D", {})],
        "ACDB",
    ),
    "terminating": (
        [("targets", "A", {}), ("targets", "B", {}), ("A", "C", END), ("A", "D", {})],
        "AC",
    ),
    "below a terminating one": (
        [("targets", "A", {}), ("targets", "B", {}), ("A", "C", END), ("C", "D", {})],
        "ACD",
    ),
    "terminating at the top": ([("targets", "A", END), ("targets", "B", {})], "A"),
    "terminating but not for this path": (
        [("targets", "A", {**END, **OTHER}), ("targets", "B", {})],
        "B",
    ),
    "not for this path": ([("targets", "A", OTHER), ("targets", "B", {}), ("A", "C", {})], "B"),
    "not for this path, deeper": (
        [("targets", "A", {}), ("targets", "B", {}), ("A", "C", OTHER), ("C", "D", {})],
        "AB",
    ),
    "a cycle": (
        [
            ("targets", "A", {}),
            ("targets", "B", {}),
            ("B", "C", {}),
            ("C", "D", {}),
            ("D", "B", {}),
        ],
        "ABCD",
    ),
    "a role that delegates to itself": ([("targets", "A", {}), ("A", "A", {})], "A"),
    "a role with two delegators": (
        [("targets", "A", {}), ("targets", "B", {}), ("B", "C", {}), ("A", "C", {})],
        "ACB",
    ),
    "a role with two delegators, one for this path": (
        [("targets", "A", {}), ("targets", "B", {}), ("B", "C", {}), ("A", "C", OTHER)],
        "ABC",
    ),
}


@pytest.mark.parametrize(("delegations", "order"), GRAPHS.values(), ids=GRAPHS)
def test_the_order_of_the_search(client, repository, delegations, order):
    """Pre-order and depth first, each role once, nothing behind a terminating one."""
    _build(repository, delegations)
    assert client.download("nowhere") == 1
    assert repository.delegated == list(order)


@pytest.mark.parametrize(
    ("path", "order", "found"),
    [
        ("plain", "", True),
        ("README.md", "A", True),
        ("releases/x/x1", "BC", True),
        ("releases/y/y1.zip", "BD", True),
        ("releases/z/z1.zip", "B", False),
        ("releases/x/deep/x1", "", False),
        ("docs/README.md", "", False),
    ],
)
def test_path_patterns(client, repository, path, order, found):
    """`*` stops at a slash; a role may list a path that is not delegated to it, without effect."""
    _build(
        repository,
        [
            ("targets", "A", {"paths": ["*.doc", "*.md"]}),
            ("targets", "B", {"paths": ["releases/*/*"]}),
            ("B", "C", {"paths": ["releases/x/*"]}),
            ("B", "D", {"paths": ["releases/y/*.zip"]}),
        ],
    )
    repository.add("plain", b"plain")
    for role, name in [
        ("A", "README.md"),
        ("A", "docs/README.md"),
        ("C", "releases/x/x1"),
        ("C", "releases/x/deep/x1"),
        ("D", "releases/y/y1.zip"),
        ("D", "releases/z/z1.zip"),
    ]:
        repository.add(name, name.encode(), role)
    repository.publish("targets", "A", "B", "C", "D")
    assert client.download(path) == (0 if found else 1)
    assert repository.delegated == list(order)
    assert client.stored == ([path.encode()] if found else [])


@pytest.mark.parametrize("cut", [1, 2, 8, 64])
def test_path_hash_prefixes(client, repository, cut):
    """A role can be trusted with the paths whose sha256 starts in a certain way."""
    digest = hashlib.sha256(b"file").hexdigest()
    other = "0" if digest[0] != "0" else "1"
    _build(
        repository,
        [
            ("targets", "A", {"path_hash_prefixes": [other]}),
            ("targets", "B", {"path_hash_prefixes": [other, digest[:cut]]}),
        ],
    )
    repository.add("file", b"data", "B")
    repository.publish("B")
    assert client.download("file") == 0
    assert repository.delegated == ["B"]


def test_hashed_bins(client, repository):
    """Succinct delegations name their roles by number: TAP 15."""
    roles = SuccinctRoles([], 1, 4, "bin")
    repository.signed["targets"].delegations = Delegations({}, None, succinct_roles=roles)
    repository.signed["targets"].add_key(KEY.public_key)
    names = list(roles.get_roles())
    for name in names:
        repository.signed[name] = Targets(expires=now() + DAY)
        repository.signers[name] = [KEY]
    holder = f"bin-{hashlib.sha256(b'file').hexdigest()[0]}"
    repository.add("file", b"data", holder)
    repository.show_snapshot(*names)
    repository.publish("targets")
    assert client.download("file") == 0
    assert repository.delegated == [holder]


@pytest.mark.parametrize("role", ["?", "#", "/delegated", "../delegated", "..", "a b", "%2e", "ü"])
def test_names_of_roles_that_lead_astray(client, repository, role):
    """A name is one segment of a URL and one file in the folder, whatever is in it."""
    _build(repository, [("targets", role, {})])
    assert client.download("nowhere") == 1
    assert client.version(role) == 1
    assert len(client.versions) == 5
    around = {path.name for path in client.folder.iterdir()}
    assert around <= {"metadata", "targets", "anchor.json"}


@pytest.mark.parametrize(
    "fault", ["unsigned", "stranger", "version", "expired", "absent", "unlisted"]
)
def test_a_delegated_role_that_is_not_sound(client, repository, fault):
    """The search ends there; a role further down must not answer in its place."""
    _build(repository, [("targets", "A", {}), ("targets", "B", {})])
    repository.add("file", b"data", "B")
    repository.publish("A", "B")
    assert client.refresh() == 0
    if fault == "unsigned":
        repository.signers["A"] = []
    elif fault == "stranger":
        repository.signers["A"] = [CryptoSigner.generate_ed25519()]
    elif fault == "expired":
        repository.signed["A"].expires = now() - DAY
    repository.publish("A")
    if fault == "version":
        repository.files[repository.name("A")] = repository.files["metadata/1.A.json"]
    elif fault == "absent":
        del repository.files[repository.name("A")]
    elif fault == "unlisted":
        repository.delegate("targets", "C", signers=[KEY])
        roles = repository.signed["targets"].delegations.roles
        roles["B"] = roles.pop("B")
        repository.publish("targets")
    assert client.download("file") == 1
    assert client.version("A") == (3 if fault == "unlisted" else None)
    assert client.stored == []


def test_a_threshold_of_two(client, repository):
    """A delegated role is counted as a top-level one is."""
    keys = [CryptoSigner.generate_ed25519() for _ in range(3)]
    repository.delegate("targets", "A", signers=keys, threshold=2)
    repository.signers["A"] = keys[:1]
    repository.add("file", b"data", "A")
    repository.show_snapshot("A")
    repository.publish("targets")
    assert client.download("file") == 1
    repository.signers["A"] = keys[1:]
    repository.publish("A")
    assert client.download("file") == 0


def test_new_keys_for_a_role_that_is_held(client, repository):
    """A held role is verified against the keys that its delegator names now."""
    _build(repository, [("targets", "A", {})])
    repository.add("file", b"data", "A")
    repository.publish("A")
    assert client.download("file") == 0
    repository.signed["targets"].revoke_key(KEY.public_key.keyid, "A")
    repository.signed["targets"].add_key(CryptoSigner.generate_ed25519().public_key, "A")
    repository.publish("targets")
    assert client.download("file") == 1


def test_a_role_with_two_delegators_is_verified_for_each(client, repository):
    """What A's keys sign is nothing to those who trust B's: two targets in one run."""
    stranger = CryptoSigner.generate_ed25519()
    _build(
        repository,
        [("targets", "A", {"paths": ["a*"]}), ("targets", "B", {"paths": ["b*"]})],
    )
    repository.delegate("A", "C", signers=[KEY])
    repository.delegate("B", "C", signers=[stranger])
    repository.signers["C"] = [KEY]
    repository.add("a1", b"a1", "C")
    repository.add("b1", b"b1", "C")
    repository.show_snapshot("C")
    repository.publish("A", "B")
    assert client.download("a1", "b1") == 1
    assert client.stored == [b"a1"]


def test_a_search_visits_32_delegated_roles(client, repository):
    """A repository that delegates without end is left: 5.6.7.1."""
    _build(repository, [("targets", f"role{number}", {}) for number in range(40)])
    repository.add("near", b"near", "role31")
    repository.add("far", b"far", "role32")
    repository.publish("role31", "role32")
    assert client.download("near") == 0
    assert client.download("far") == 1
    assert client.stored == [b"near"]
