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
    """The roles are requested in TUF's order, stored as served, and not requested again."""
    assert client.refresh() == 0
    first = [("root", 2), ("timestamp", None), ("snapshot", 1), ("targets", 1)]
    assert repository.requested == first
    assert client.versions == dict.fromkeys(("root", "timestamp", "snapshot", "targets"), 1)
    for name in client.versions:
        assert client.data(name) == repository.files[repository.name(name)]
    repository.requests.clear()
    assert client.refresh() == 0
    assert repository.requested == first[:2]


# Each root is (keys, threshold, signers); 0 to 9 are keys. python-tuf counts the signatures. These
# show that a root is verified by its predecessor and by itself.
FIRST = ([0, 1, 2], 2, [0, 1])
CHAINS = {
    "all replaced": ([FIRST, ([5, 6, 7], 2, [0, 2, 5, 6]), ([5, 6, 7], 2, [6, 7])], 3),
    "signatures of strangers": ([FIRST, ([0, 1, 2], 2, [8, 0, 2, 9])], 2),
    "too few of the old": ([FIRST, ([5, 6, 7], 2, [0, 5, 6])], 1),
    "too few of the new": ([FIRST, ([5, 6, 7], 2, [0, 1, 5])], 1),
}


def test_chains_of_roots(make_client):
    """A root is signed by enough keys of its predecessor and of its own: 5.3.4.

    Otherwise the refresh fails, and the last valid root stays.
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
            assert trusted == len(steps) or [role for role, _ in repository.requested] == asked


def test_other_key_types(tmp_path):
    """Key types other than the profile's ed25519 are accepted."""
    repository = Repository(make_key=CryptoSigner.generate_ecdsa)
    device = Device(tmp_path, repository)
    device.init()
    repository.set_keys("timestamp", [CryptoSigner.generate_ecdsa()])
    repository.publish_root()
    repository.publish("targets")
    assert device.refresh() == 0
    assert device.versions == {"root": 2, "snapshot": 2, "targets": 2, "timestamp": 2}


def test_an_expired_root(client, repository):
    """An expired root is accepted within the chain, but not as its end: 5.3.10."""
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


def test_invalid_trust_anchor(client, repository):
    """Without a valid root no request is sent."""
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


def test_status_of_the_next_root(client, repository):
    """Only 403 and 404 mean that there is none, so that errors cannot hide a root: 5.3.3."""
    for status in (400, 410, 429, 500, 503):
        repository.answers["metadata/2.root.json"] = (status, b"later")
        with case(status):
            assert client.refresh() == 1
            assert repository.requested[-1] == ("root", 2)
    repository.answers["metadata/2.root.json"] = (403, b"nothing")
    assert client.refresh() == 0


def test_limit_of_roots_in_a_refresh(device, repository, monkeypatch):
    """The refresh ends with the last root it got, and the next one continues: 5.3.3."""
    assert refresh.MAX_ROOTS == 256
    monkeypatch.setattr(refresh, "MAX_ROOTS", 2)
    for _ in range(3):
        repository.publish_root()
    for version in (3, 4):
        assert device.refresh() == 0
        assert device.version("root") == version


@pytest.mark.parametrize(("role", "fingerprints"), [("timestamp", False), ("snapshot", True)])
def test_recovery_from_a_fast_forward(tmp_path, role, fingerprints):
    """With new keys for a role, the versions signed by the old keys are void: 5.3.11."""
    repository = Repository(fingerprints=fingerprints)
    device = Device(tmp_path, repository)
    device.init()
    for name in ("timestamp", "snapshot", "targets") if role == "snapshot" else ("timestamp",):
        repository.signed[name].version = 99_999
    repository.serve_snapshot("targets")
    repository.serve_timestamp()
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
def test_lost_key_voids_timestamp_and_snapshot(device, repository, role):
    """Both files are removed if either role loses a key: 5.3.11."""
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


def test_added_key_voids_no_version(client, repository):
    """Versions signed by a key that is still listed count."""
    repository.signed["timestamp"].version = 99
    repository.publish()
    assert client.refresh() == 0
    repository.signed["root"].add_key(KEYS[0].public_key, "timestamp")
    repository.publish_root()
    repository.signed["timestamp"].version = 1
    repository.publish()
    assert client.refresh() == 1
    assert client.version("timestamp") == 100
