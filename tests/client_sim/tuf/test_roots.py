"""Root, step 5.3 of TUF's client workflow, and recovery from a fast-forward (5.3.11)."""

import json

import pytest
from securesystemslib.signer import CryptoSigner

from tests.client_sim.tuf.clients import Device
from tests.client_sim.tuf.simulator import DAY, Repository, now

KEYS = [CryptoSigner.generate_ed25519() for _ in range(10)]


def _keys(numbers):
    return [KEYS[number] for number in numbers]


def test_a_first_refresh(client, repository):
    """The four roles are asked for in TUF's order, and kept as they were served."""
    assert client.refresh() == 0
    assert repository.asked == [
        ("root", 2),
        ("timestamp", None),
        ("snapshot", 1),
        ("targets", 1),
    ]
    assert client.versions == dict.fromkeys(("root", "timestamp", "snapshot", "targets"), 1)
    for name in client.versions:
        assert client.data(name) == repository.files[repository.name(name)]


def test_a_refresh_without_news(client, repository):
    """What is held already is not asked for again."""
    client.refresh()
    repository.requests.clear()
    assert client.refresh() == 0
    assert repository.asked == [("root", 2), ("timestamp", None)]


# Each root is (keys, threshold, signers); 0 to 9 are keys.
ACCEPTED = {
    "one key after another": [([1], 1, [1]), ([2], 1, [2, 1]), ([2], 1, [2])],
    "signatures of strangers": [([1], 1, [3, 1, 4]), ([2], 1, [3, 2, 1, 4]), ([2], 1, [3, 2])],
    "any three of five": [
        ([0, 1, 2, 3, 4], 3, [0, 2, 4]),
        ([0, 1, 2, 3, 4], 3, [0, 4, 1]),
        ([0, 1, 2, 3, 4], 3, [1, 2, 3]),
    ],
    "one of five replaced": [([0, 1, 2, 3, 4], 3, [0, 2, 4]), ([0, 1, 3, 4, 5], 3, [0, 4, 1])],
    "all of five replaced": [
        ([0, 1, 2, 3, 4], 3, [0, 2, 4]),
        ([5, 6, 7, 8, 9], 3, [0, 2, 4, 5, 6, 7]),
        ([5, 6, 7, 8, 9], 3, [7, 8, 9]),
    ],
    "a higher threshold": [([1, 2, 3], 1, [1]), ([1, 2, 3], 2, [1, 2])],
    "a lower threshold": [
        ([1, 2, 3], 2, [1, 2]),
        ([1, 2, 3], 1, [1, 2]),
        ([1, 2, 3], 1, [3]),
    ],
    "more keys": [([1], 1, [1]), ([1, 2], 2, [1, 2])],
}
REFUSED = {
    "not by the old key": [([1], 1, [1]), ([2], 1, [2, 3, 4])],
    "not by the new key": [([1], 1, [1]), ([2], 1, [1, 3, 4])],
    "too few of the new": [([0, 1, 2, 3, 4], 3, [0, 2, 4]), ([0, 1, 3, 4, 5], 3, [0, 2, 4])],
    "too few of the old": [([0, 1, 2, 3, 4], 3, [0, 2, 4]), ([0, 1, 3, 4, 5], 3, [0, 4, 5])],
    "below the new threshold": [([1, 2, 3], 1, [1]), ([1, 2, 3], 2, [2])],
    "below the old threshold": [([1, 2, 3], 2, [1, 2]), ([1, 2, 3], 1, [1])],
    "no signature": [([1], 1, [1]), ([1], 1, [])],
}


def _rotate(repository, steps):
    repository.signed["root"].version = 0
    repository.files = {name: data for name, data in repository.files.items() if "root" not in name}
    for keys, threshold, signers in steps:
        repository.set_keys("root", _keys(keys), threshold, signing=_keys(signers))
        repository.publish_root()
    repository.trusted_root = repository.files["metadata/1.root.json"]


@pytest.mark.parametrize("steps", ACCEPTED.values(), ids=ACCEPTED)
def test_roots_that_follow(client, repository, steps):
    """A root signed by enough of its predecessor's keys and of its own is trusted: 5.3.4."""
    _rotate(repository, steps)
    client.init()
    assert client.refresh() == 0
    last = len(steps)
    assert client.version("root") == last
    assert client.data("root") == repository.files[f"metadata/{last}.root.json"]


@pytest.mark.parametrize("steps", REFUSED.values(), ids=REFUSED)
def test_roots_that_do_not_follow(client, repository, steps):
    """The run ends there, the last good root stays, and nothing else is asked for."""
    _rotate(repository, steps)
    client.init()
    assert client.refresh() == 1
    assert client.version("root") == len(steps) - 1
    assert [name for name, _ in repository.asked] == ["root"] * (len(steps) - 1)


@pytest.mark.parametrize(("served", "stated"), [(2, 3), (2, 1), (2, 0)])
def test_a_root_under_another_version(client, repository, served, stated):
    """Version N+1 has to follow N: 5.3.5."""
    repository.signed["root"].version = stated
    if stated > 0:
        data = repository.sign("root")
    else:
        repository.signed["root"].version = 2
        value = json.loads(repository.sign("root"))
        value["signed"]["version"] = 0
        data = json.dumps(value).encode()
    repository.files[f"metadata/{served}.root.json"] = data
    assert client.refresh() == 1
    assert client.version("root") == 1


def test_one_signature_twice_counts_once(client, repository):
    """A threshold of two is not met by one key, however often it signs: 5.3.4."""
    repository.set_keys("root", [*repository.signers["root"], KEYS[1]], 1)
    repository.publish_root()
    repository.set_keys("root", _keys([1, 2]), 2, signing=_keys([1]))
    value = json.loads(repository.publish_root())
    value["signatures"] *= 2
    repository.files["metadata/3.root.json"] = json.dumps(value).encode()
    assert client.refresh() == 1
    assert client.version("root") == 2


def test_a_changed_byte_in_a_root(client, repository):
    """A signature holds for what was signed."""
    data = repository.publish_root()
    repository.files["metadata/2.root.json"] = data.replace(b'"version":2', b'"version" : 2', 1)
    assert client.refresh() == 0
    data = repository.publish_root()
    repository.files["metadata/3.root.json"] = data.replace(b'"threshold":1', b'"threshold":2', 1)
    assert client.refresh() == 1
    assert client.version("root") == 2


@pytest.mark.parametrize("make", [CryptoSigner.generate_rsa, CryptoSigner.generate_ecdsa])
def test_key_types(tmp_path, make):
    """The profile's ed25519 is no rule of TUF."""
    repository = Repository(make_key=make)
    device = Device(tmp_path, repository)
    device.init()
    assert device.refresh() == 0
    repository.set_keys("timestamp", [make()])
    repository.publish_root()
    repository.publish("targets")
    assert device.refresh() == 0
    assert device.versions == {"root": 2, "snapshot": 2, "targets": 2, "timestamp": 2}


def test_an_expired_root_ends_the_run_after_it_is_stored(client, repository):
    """Freeze: the newest root is expired, so nothing that it signs is looked at: 5.3.10."""
    client.refresh()
    repository.signed["root"].expires = now() - DAY
    repository.publish_root()
    repository.publish("targets")
    assert client.refresh() == 1
    assert client.versions == {"root": 2, "timestamp": 1, "snapshot": 1, "targets": 1}


@pytest.mark.parametrize("change", ["unsigned", "no version", "not JSON", "empty", "other type"])
def test_a_trust_anchor_that_is_none(client, repository, change):
    """Without a root nothing is asked of anybody."""
    value = json.loads(repository.trusted_root)
    if change == "unsigned":
        value["signatures"][0]["sig"] = "00" * 64
    elif change == "no version":
        del value["signed"]["version"]
    data = json.dumps(value).encode()
    if change == "not JSON":
        data = b"root"
    elif change == "empty":
        data = b""
    elif change == "other type":
        data = repository.files["metadata/timestamp.json"]
    client.init(data)
    assert client.refresh() == 1
    assert repository.requests == []


@pytest.mark.parametrize("status", [400, 410, 429, 500, 503])
def test_a_server_that_cannot_tell_whether_there_is_a_root(client, repository, status):
    """A failing server must not keep a client at an old root."""
    repository.answers["metadata/2.root.json"] = (status, b"later")
    assert client.refresh() == 1
    assert repository.asked == [("root", 2)]


@pytest.mark.parametrize(("size", "status"), [(512_000, 0), (512_001, 1)])
def test_endless_data_as_a_root(client, repository, size, status):
    """A root has 512,000 bytes at most."""
    data = repository.publish_root()
    repository.files["metadata/2.root.json"] = data + b" " * (size - len(data))
    assert client.refresh() == status


def test_more_roots_than_one_run_takes(device, repository):
    """After 256 the run goes on with the root it has, and the next run with the roots: 5.3.3."""
    for _ in range(258):
        repository.publish_root()
    assert device.refresh() == 0
    assert device.version("root") == 257
    assert device.refresh() == 0
    assert device.version("root") == 259


@pytest.mark.parametrize("role", ["timestamp", "snapshot"])
@pytest.mark.parametrize("fingerprints", [False, True])
def test_recovery_from_a_fast_forward(tmp_path, role, fingerprints):
    """New keys for a role void the versions that the old ones signed: 5.3.11."""
    repository = Repository(fingerprints=fingerprints)
    device = Device(tmp_path, repository)
    device.init()
    before = {name: repository.signed[name].version for name in ("timestamp", "snapshot")}
    for name in ("timestamp", "snapshot", "targets") if role == "snapshot" else ("timestamp",):
        repository.signed[name].version = 99_999
    repository.show_snapshot("targets")
    repository.show_timestamp()
    assert device.refresh() == 0
    assert device.version(role) == 99_999
    for name, version in before.items():
        repository.signed[name].version = version
    repository.signed["targets"].version = 1
    repository.publish("targets")
    assert device.refresh() == 1
    repository.set_keys(role, [KEYS[0]])
    if role == "snapshot":
        repository.set_keys("timestamp", [KEYS[1]])
    repository.publish_root()
    repository.publish("targets")
    assert device.refresh() == 0
    assert device.versions == {"root": 2, "timestamp": 3, "snapshot": 3, "targets": 3}


def test_targets_recover_with_the_snapshot_key(client, repository):
    """Targets of version 100 are forgotten with the snapshot that named them."""
    repository.signed["targets"].version = 99
    repository.publish("targets")
    assert client.refresh() == 0
    assert client.version("targets") == 100
    repository.set_keys("snapshot", [KEYS[0]])
    repository.publish_root()
    repository.signed["targets"].version = 1
    repository.publish("targets")
    assert client.refresh() == 0
    assert client.version("targets") == 2


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
    root = repository.signed["root"]
    root.add_key(KEYS[0].public_key, "timestamp")
    repository.publish_root()
    repository.signed["timestamp"].version = 1
    repository.publish()
    assert client.refresh() == 1
    assert client.version("timestamp") == 100


def test_an_expired_root_in_the_chain_is_passed(client, repository):
    """Only the last root has to be unexpired."""
    repository.signed["root"].expires = now() - DAY
    repository.publish_root()
    repository.signed["root"].expires = now() + DAY
    repository.publish_root()
    assert client.refresh() == 0
    assert client.version("root") == 3


def test_a_store_that_answers_403_for_what_is_not_there(client, repository):
    """The newest root is the one whose successor is not there: 5.3.3."""
    repository.answers["metadata/2.root.json"] = (403, b"nothing")
    assert client.refresh() == 0
