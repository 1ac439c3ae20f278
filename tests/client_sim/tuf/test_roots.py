"""Root, step 5.3 of TUF's client workflow, and recovery from a fast-forward (5.3.11)."""

import json

import pytest
from securesystemslib.signer import CryptoSigner

from client_sim.device import refresh
from tests.cases import case
from tests.client_sim.tuf.clients import Device
from tests.client_sim.tuf.simulator import DAY, Repository, now

KEYS = [CryptoSigner.generate_ed25519() for _ in range(10)]


def _keys(numbers):
    return [KEYS[number] for number in numbers]


def test_two_refreshes(client, repository):
    """The four roles are asked for in TUF's order, kept as they were served, and asked for once."""
    assert client.refresh() == 0
    first = [("root", 2), ("timestamp", None), ("snapshot", 1), ("targets", 1)]
    assert repository.asked == first
    assert client.versions == dict.fromkeys(("root", "timestamp", "snapshot", "targets"), 1)
    for name in client.versions:
        assert client.data(name) == repository.files[repository.name(name)]
    repository.requests.clear()
    assert client.refresh() == 0
    assert repository.asked == first[:2]


# Each root is (keys, threshold, signers); 0 to 9 are keys. python-tuf counts signatures: these show
# that a root is verified by its predecessor and by itself.
FIRST = ([0, 1, 2], 2, [0, 1])
CHAINS = {
    "all replaced": ([FIRST, ([5, 6, 7], 2, [0, 2, 5, 6]), ([5, 6, 7], 2, [6, 7])], 3),
    "signatures of strangers": ([FIRST, ([0, 1, 2], 2, [8, 0, 2, 9])], 2),
    "too few of the old": ([FIRST, ([5, 6, 7], 2, [0, 5, 6])], 1),
    "too few of the new": ([FIRST, ([5, 6, 7], 2, [0, 1, 5])], 1),
}


def test_chains_of_roots(make_client):
    """Enough of the predecessor's keys and of its own sign a root: 5.3.4.

    Otherwise the run ends there, and the last good root stays.
    """
    for name, (steps, trusted) in CHAINS.items():
        with case(name):
            repository = Repository()
            repository.signed["root"].version = 0
            for keys, threshold, signers in steps:
                repository.set_keys("root", _keys(keys), threshold, signing=_keys(signers))
                repository.publish_root()
            repository.trusted_root = repository.files["metadata/1.root.json"]
            client = make_client(repository)
            assert client.refresh() == (0 if trusted == len(steps) else 1)
            assert client.version("root") == trusted
            assert client.data("root") == repository.files[f"metadata/{trusted}.root.json"]
            asked = ["root"] * min(trusted, len(steps) - 1)
            assert trusted == len(steps) or [role for role, _ in repository.asked] == asked


def test_other_key_types(tmp_path):
    """The profile's ed25519 is no rule of TUF."""
    repository = Repository(make_key=CryptoSigner.generate_ecdsa)
    device = Device(tmp_path, repository)
    device.init()
    repository.set_keys("timestamp", [CryptoSigner.generate_ecdsa()])
    repository.publish_root()
    repository.publish("targets")
    assert device.refresh() == 0
    assert device.versions == {"root": 2, "snapshot": 2, "targets": 2, "timestamp": 2}


def test_an_expired_root(client, repository):
    """It is passed in the chain; where it is the newest, nothing that it signs counts: 5.3.10."""
    client.refresh()
    for expires in (now() - DAY, now() + DAY, now() - DAY):
        repository.signed["root"].expires = expires
        repository.publish_root()
    repository.publish("targets")
    last = repository.files.pop("metadata/4.root.json")
    assert client.refresh() == 0
    repository.publish("targets")
    repository.files["metadata/4.root.json"] = last
    assert client.refresh() == 1
    assert client.versions == {"root": 4, "timestamp": 2, "snapshot": 2, "targets": 2}


def test_a_trust_anchor_that_is_none(client, repository):
    """Without a root nothing is asked of anybody."""
    unsigned = json.loads(repository.trusted_root)
    unsigned["signatures"][0]["sig"] = "00" * 64
    for data in (
        b"root",
        b"",
        json.dumps(unsigned).encode(),
        repository.files["metadata/timestamp.json"],
    ):
        client.init(data)
        with case(data):
            assert client.refresh() == 1
    assert repository.requests == []


def test_a_server_that_cannot_tell_whether_there_is_a_root(client, repository):
    """A failing server must not keep a client at an old root; 403 is an absent one: 5.3.3."""
    for status in (400, 410, 429, 500, 503):
        repository.answers["metadata/2.root.json"] = (status, b"later")
        with case(status):
            assert client.refresh() == 1
            assert repository.asked[-1] == ("root", 2)
    repository.answers["metadata/2.root.json"] = (403, b"nothing")
    assert client.refresh() == 0


def test_more_roots_than_one_run_takes(device, repository, monkeypatch):
    """The run goes on with the root it has, and the next run with the other roots: 5.3.3."""
    assert refresh.MAX_ROOTS == 256
    monkeypatch.setattr(refresh, "MAX_ROOTS", 2)
    for _ in range(3):
        repository.publish_root()
    for version in (3, 4):
        assert device.refresh() == 0
        assert device.version("root") == version


@pytest.mark.parametrize(("role", "fingerprints"), [("timestamp", False), ("snapshot", True)])
def test_recovery_from_a_fast_forward(tmp_path, role, fingerprints):
    """New keys for a role void the versions that the old ones signed: 5.3.11."""
    repository = Repository(fingerprints=fingerprints)
    device = Device(tmp_path, repository)
    device.init()
    for name in ("timestamp", "snapshot", "targets") if role == "snapshot" else ("timestamp",):
        repository.signed[name].version = 99_999
    repository.show_snapshot("targets")
    repository.show_timestamp()
    assert device.refresh() == 0
    assert device.version(role) == 99_999
    for name in ("timestamp", "snapshot", "targets"):
        repository.signed[name].version = 1
    repository.publish("targets")
    assert device.refresh() == 1
    repository.set_keys(role, [KEYS[0]])
    if role == "snapshot":
        repository.set_keys("timestamp", [KEYS[1]])
    repository.publish_root()
    repository.publish("targets")
    assert device.refresh() == 0
    assert device.versions == {"root": 2, "timestamp": 3, "snapshot": 3, "targets": 3}


@pytest.mark.parametrize("role", ["timestamp", "snapshot"])
def test_both_are_forgotten_with_one_key(device, repository, role):
    """Timestamp and snapshot go when either loses a key: 5.3.11 names both files."""
    for name in ("timestamp", "snapshot"):
        repository.set_keys(name, KEYS[:2])
    repository.publish_root()
    for name in ("timestamp", "targets"):
        repository.signed[name].version = 99
    repository.publish("targets")
    assert device.refresh() == 0
    repository.set_keys(role, KEYS[1:2])
    repository.publish_root()
    repository.signed["timestamp"].version = 1
    repository.signed["targets"].version = 1
    repository.publish("targets")
    assert device.refresh() == 0
    assert device.versions == {"root": 3, "timestamp": 2, "snapshot": 3, "targets": 2}


def test_a_key_that_is_only_added_forgives_nothing(client, repository):
    """The old key still counts, and so do the versions that it signed."""
    repository.signed["timestamp"].version = 99
    repository.publish()
    assert client.refresh() == 0
    repository.signed["root"].add_key(KEYS[0].public_key, "timestamp")
    repository.publish_root()
    repository.signed["timestamp"].version = 1
    repository.publish()
    assert client.refresh() == 1
    assert client.version("timestamp") == 100
