"""Delegated roles: step 5.6.7 of TUF's client workflow."""

import hashlib

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Delegations, SuccinctRoles, Targets

from tests.cases import case
from tests.client_sim.tuf.simulator import DAY, Repository, now

KEY = CryptoSigner.generate_ed25519()
END = {"terminating": True}
OTHER = {"paths": ["*.py"]}
# Delegations of A to B as "AB" ("T" is targets), with options; then the roles that are asked for,
# in order, for a target that is nowhere.
GRAPHS = {
    "in order of appearance": ({"TB": {}, "TA": {}}, "BA"),
    "depth first": ({"TA": {}, "TB": {}, "AC": {}, "AD": {}, "CE": {}}, "ACEDB"),
    "terminating": ({"TA": {}, "TB": {}, "AC": END, "AD": {}, "CE": {}}, "ACE"),
    "terminating but not for this path": ({"TA": {**END, **OTHER}, "TB": {}}, "B"),
    "not for this path": ({"TA": {}, "TB": {}, "AC": OTHER, "CD": {}}, "AB"),
    "a cycle": ({"TA": {}, "TB": {}, "BC": {}, "CD": {}, "DB": {}}, "ABCD"),
    "a role that delegates to itself": ({"TA": {}, "AA": {}}, "A"),
    "a role with two delegators": ({"TA": {}, "TB": {}, "BC": {}, "AC": {}}, "ACB"),
    "two delegators, one for this path": ({"TA": {}, "TB": {}, "BC": {}, "AC": OTHER}, "ABC"),
}


def _build(repository, graph):
    """Make the delegations of a graph and publish all roles."""
    for (delegator, name), how in graph.items():
        delegator = "targets" if delegator == "T" else delegator  # noqa: PLW2901 - its full name
        repository.delegate(delegator, name, signers=[KEY], **how)
    repository.serve_snapshot(*dict.fromkeys(name for _, name in graph))
    repository.publish("targets")


def test_the_order_of_the_search(make_client):
    """Pre-order and depth first, each role once, and none after a terminating one."""
    for name, (graph, order) in GRAPHS.items():
        with case(name):
            repository = Repository()
            _build(repository, graph)
            assert make_client(repository).download("nowhere") == 1
            assert repository.delegated == list(order)


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
    repository.serve_snapshot(*names)
    repository.publish("targets")
    assert client.download("file") == 0
    assert repository.delegated == [holder]


def test_unusual_names_of_roles(client, repository):
    """Any name is one segment of a URL and one file in the folder."""
    names = ["?", "#", "/delegated", "../delegated", "..", "a b", "%2e", "ü"]
    _build(repository, {("T", name): {} for name in names})
    assert client.download("nowhere") == 1
    assert [client.version(name) for name in names] == [1] * len(names)
    assert len(client.versions) == 4 + len(names)
    around = {path.name for path in client.folder.iterdir()}
    assert around <= {"metadata", "targets", "anchor.json"}


def test_invalid_delegated_role(make_client):
    """The search ends there; a later role must not provide the target instead."""
    for fault in ("stranger", "version", "expired", "absent", "unlisted"):
        repository = Repository()
        _build(repository, {"TA": {}, "TB": {}})
        repository.add("file", b"data", "B")
        if fault == "stranger":
            repository.signers["A"] = [CryptoSigner.generate_ed25519()]
        elif fault == "expired":
            repository.signed["A"].expires = now() - DAY
        repository.publish("A", "B")
        if fault == "version":
            repository.files[repository.name("A")] = repository.files["metadata/1.A.json"]
        elif fault == "absent":
            del repository.files[repository.name("A")]
        elif fault == "unlisted":
            repository.delegate("targets", "C", signers=[KEY])
            roles = repository.signed["targets"].delegations.roles
            roles["B"] = roles.pop("B")
            repository.publish("targets")
        client = make_client(repository)
        with case(fault):
            assert client.download("file") == 1
            assert client.version("A") == (2 if fault == "unlisted" else None)
            assert client.stored == []


def test_new_keys_for_a_stored_role(client, repository):
    """A stored role is verified with the keys that its delegator lists now."""
    _build(repository, {"TA": {}})
    repository.add("file", b"data", "A")
    repository.publish("A")
    assert client.download("file") == 0
    repository.signed["targets"].revoke_key(KEY.public_key.keyid, "A")
    repository.signed["targets"].add_key(CryptoSigner.generate_ed25519().public_key, "A")
    repository.publish("targets")
    assert client.download("file") == 1


def test_a_role_with_two_delegators_is_verified_for_each(client, repository):
    """Signatures by the keys of A do not count for a target that B delegates."""
    _build(repository, {"TA": {"paths": ["a*"]}, "TB": {"paths": ["b*"]}, "AC": {}})
    repository.delegate("B", "C", signers=[CryptoSigner.generate_ed25519()])
    repository.signers["C"] = [KEY]
    repository.add("a1", b"a1", "C")
    repository.add("b1", b"b1", "C")
    repository.publish("A", "B", "C")
    assert client.download("a1", "b1") == 1
    assert client.stored == [b"a1"]


def test_a_search_visits_32_delegated_roles(client, repository):
    """The search ends after 32 roles: 5.6.7.1."""
    _build(repository, {("T", f"role{number}"): {} for number in range(34)})
    repository.add("near", b"near", "role31")
    repository.add("far", b"far", "role32")
    repository.publish("role31", "role32")
    assert client.download("near") == 0
    assert client.download("far") == 1
    assert client.stored == [b"near"]
