"""Timestamp, snapshot and targets: steps 5.4 to 5.6 of TUF's client workflow."""

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import MetaFile

from tests.client_sim.tuf.clients import Device, Reference
from tests.client_sim.tuf.simulator import DAY, Repository, now

KEYS = [CryptoSigner.generate_ed25519() for _ in range(6)]
ROLES = ("timestamp", "snapshot", "targets")


@pytest.fixture(params=[Device, Reference], ids=["hening-device", "python-tuf"])
def exact(request, tmp_path):
    """Make a client of a repository that lists lengths and hashes."""
    made = request.param(tmp_path, Repository(fingerprints=True))
    assert made.init() == 0
    return made


@pytest.mark.parametrize("consistent", [True, False])
def test_each_role_is_followed(tmp_path, consistent):
    """With versions in the names and without."""
    repository = Repository(consistent=consistent)
    device = Device(tmp_path, repository)
    device.init()
    assert device.refresh() == 0
    repository.publish("targets")
    repository.requests.clear()
    assert device.refresh() == 0
    assert device.versions == {"root": 1, "snapshot": 2, "targets": 2, "timestamp": 2}
    version = 2 if consistent else None
    assert repository.asked[2:] == [("snapshot", version), ("targets", version)]


# Keys, threshold, signers, and whether that is trusted.
ROTATIONS = {
    "another key": ([2], 1, [2], True),
    "signatures of strangers": ([2], 1, [3, 2, 4], True),
    "three of five": ([0, 1, 2, 3, 4], 3, [4, 0, 2], True),
    "two of five": ([0, 1, 2, 3, 4], 3, [4, 0], False),
    "a wrong one of three": ([0, 1, 2, 3, 4], 3, [4, 0, 5], False),
    "strangers": ([2], 1, [0, 1], False),
    "no signature": ([2], 1, [], False),
    "a threshold that none can meet": ([0, 1], 3, [0, 1], False),
}


@pytest.mark.parametrize(
    ("role", "rotation"),
    [
        *(("timestamp", rotation) for rotation in ROTATIONS),
        *((role, name) for role in ROLES[1:] for name in ("three of five", "two of five")),
    ],
)
def test_signatures(client, repository, role, rotation):
    """Enough of the keys that root names have to sign: 5.4.2, 5.5.3, 5.6.3."""
    keys, threshold, signers, trusted = ROTATIONS[rotation]
    repository.set_keys(
        role, [KEYS[n] for n in keys], threshold, signing=[KEYS[n] for n in signers]
    )
    repository.publish_root()
    repository.publish("targets")
    assert client.refresh() == (0 if trusted else 1)
    assert client.version("root") == 2
    expected = repository.files[repository.name(role)] if trusted else None
    assert client.data(role) == expected


@pytest.mark.parametrize(
    ("role", "data"),
    [
        *(("timestamp", data) for data in (b"", b"{}", b"[]", b"\xff", b"[" * 5_000, b"null")),
        *(("snapshot", b'{"a":1e9}'), ("targets", b"{}")),
    ],
)
def test_what_is_no_metadata(client, repository, role, data):
    """Any bytes at all are refused, and nothing before them is lost."""
    client.refresh()
    repository.publish("targets")
    repository.files[repository.name(role)] = data
    before = client.data(role)
    assert client.refresh() == 1
    assert client.data(role) == before


@pytest.mark.parametrize("role", ROLES)
def test_one_role_in_place_of_another(client, repository, role):
    """Well signed, by the right key, and of another type."""
    other = "snapshot" if role == "timestamp" else "timestamp"
    repository.set_keys(role, KEYS[:1])
    repository.set_keys(other, KEYS[:1])
    repository.publish_root()
    repository.publish("targets")
    repository.files[repository.name(role)] = repository.files[repository.name(other)]
    assert client.refresh() == 1
    assert client.version(role) is None


@pytest.mark.parametrize("role", ROLES)
def test_expired(client, repository, role):
    """Freeze: an expired role is refused: 5.4.4, 5.5.6, 5.6.5."""
    client.refresh()
    repository.signed[role].expires = now() - DAY
    repository.publish("targets")
    assert client.refresh() == 1
    assert client.version(role) == 1


@pytest.mark.needs("faketime")
@pytest.mark.parametrize("role", ["timestamp", "targets"])
def test_expired_by_the_clock_alone(client, repository, role):
    """What was good yesterday is not good for ever, though nothing new is served."""
    repository.signed[role].expires = now() + 2 * DAY
    repository.publish("targets")
    assert client.refresh() == 0
    assert client.refresh(at=now() + DAY) == 0
    assert client.refresh(at=now() + 3 * DAY) == 1


@pytest.mark.needs("faketime")
@pytest.mark.parametrize("role", ROLES)
def test_what_is_held_and_expired_leads_to_what_is_new(client, repository, role):
    """An old role is no obstacle; it is only compared with."""
    repository.signed[role].expires = now() + 7 * DAY
    repository.publish("targets")
    assert client.refresh() == 0
    repository.signed[role].expires = now() + 21 * DAY
    repository.publish("targets")
    assert client.refresh(at=now() + 18 * DAY) == 0
    assert client.version(role) == 3


def test_an_older_timestamp(client, repository):
    """Rollback: 5.4.3.1."""
    old = repository.files["metadata/timestamp.json"]
    repository.publish()
    client.refresh()
    repository.files["metadata/timestamp.json"] = old
    assert client.refresh() == 1
    assert client.version("timestamp") == 2
    assert repository.asked[-1] == ("timestamp", None)


def test_the_same_timestamp_version_with_other_bytes(client, repository):
    """The one that is held stays, and nothing that the other one says counts: 5.4.3.1."""
    client.refresh()
    held = client.data("timestamp")
    repository.signed["timestamp"].snapshot_meta = MetaFile(100)
    repository.show("timestamp")
    repository.requests.clear()
    assert client.refresh() == 0
    assert client.data("timestamp") == held
    assert repository.asked == [("root", 2), ("timestamp", None)]


def test_an_older_snapshot_in_a_newer_timestamp(client, repository):
    """Rollback: 5.4.3.2."""
    repository.publish()
    client.refresh()
    repository.signed["timestamp"].version += 1
    repository.signed["timestamp"].snapshot_meta = MetaFile(1)
    repository.show("timestamp")
    assert client.refresh() == 1
    assert client.versions["timestamp"] == 2
    assert client.versions["snapshot"] == 2


@pytest.mark.parametrize("fingerprints", [False, True])
def test_older_targets_in_a_newer_snapshot(tmp_path, fingerprints):
    """Rollback: 5.5.5, also where a snapshot's hash no longer matches the one held."""
    repository = Repository(fingerprints=fingerprints)
    for made in (Device, Reference):
        repository.signed["targets"].version = 3
        repository.publish("targets")
        folder = tmp_path / made.__name__
        folder.mkdir()
        client = made(folder, repository)
        client.init()
        assert client.refresh() == 0
        held = client.versions
        repository.signed["targets"].version = 1
        repository.publish("targets")
        assert client.refresh() == 1
        assert client.version("snapshot") == held["snapshot"]
        assert client.version("targets") == 4


def test_a_role_that_vanishes_from_the_snapshot(client, repository):
    """A role once listed stays listed: 5.5.5."""
    repository.delegate("targets", "armani")
    repository.show_snapshot("armani")
    repository.publish("targets")
    client.refresh()
    del repository.signed["snapshot"].meta["armani.json"]
    repository.publish()
    assert client.refresh() == 1
    assert client.version("snapshot") == 2


def test_a_snapshot_without_targets(client, repository):
    """Targets have to be listed."""
    repository.signed["snapshot"].meta = {}
    repository.show("snapshot")
    assert client.refresh() == 1
    assert client.version("targets") is None


@pytest.mark.parametrize(("role", "after"), [("snapshot", "timestamp"), ("targets", "snapshot")])
def test_another_version_than_the_one_announced(client, repository, role, after):
    """Mix and match: what the role before it says counts: 5.5.4, 5.6.4."""
    repository.signed[role].version = 2
    data = repository.sign(role)
    repository.files[f"metadata/1.{role}.json"] = data
    assert client.refresh() == 1
    assert client.version(role) is None
    assert client.version(after) == 1


@pytest.mark.parametrize("role", ["snapshot", "targets"])
@pytest.mark.parametrize("change", ["other", "longer", "shorter"])
def test_other_bytes_than_the_ones_announced(exact, role, change):
    """Lengths and hashes that are listed count, though signature and version hold: 5.5.2, 5.6.2."""
    repository = exact.repository
    name = repository.name(role)
    data = repository.files[name]
    repository.files[name] = {
        "other": data.replace(b'"version":1', b'"version" :1'),
        "longer": data + b" ",
        "shorter": data[:-1],
    }[change]
    assert exact.refresh() == 1
    assert exact.version(role) is None


@pytest.mark.parametrize("hashes", [{"sha512": "0" * 128}, {"sha256": "0" * 64}, {"md9": "00"}])
def test_hashes_that_do_not_hold(client, repository, hashes):
    """Every hash that is listed counts; one that cannot be computed cannot hold."""
    repository.signed["timestamp"].snapshot_meta = MetaFile(1, None, hashes)
    repository.show("timestamp")
    assert client.refresh() == 1
    assert client.version("snapshot") is None


@pytest.mark.parametrize(
    ("role", "limit"), [("timestamp", 16_384), ("snapshot", 2_000_000), ("targets", 5_000_000)]
)
def test_endless_data(client, repository, role, limit):
    """A role has at most a fixed number of bytes where none is signed: 5.4.1, 5.5.1, 5.6.1."""
    name = repository.name(role)
    data = repository.files[name]
    repository.files[name] = data + b" " * (limit + 1 - len(data))
    assert client.refresh() == 1
    assert client.version(role) is None
    repository.files[name] = data + b" " * (limit - len(data))
    assert client.refresh() == 0
    assert client.version(role) == 1


@pytest.mark.parametrize(
    ("role", "status"),
    [
        *(("timestamp", status) for status in (204, 301, 403, 404, 500)),
        *(("snapshot", 404), ("targets", 404)),
    ],
)
def test_a_role_that_is_not_there(client, repository, role, status):
    """Anything but 200 is no role; what came before it is kept."""
    name = repository.name(role)
    repository.answers[name] = (status, repository.files[name] if status >= 400 else b"")
    assert client.refresh() == 1
    assert client.version(role) is None
    del repository.answers[name]
    assert client.refresh() == 0


def test_a_damaged_file_among_what_is_held(client):
    """It is fetched again."""
    client.refresh()
    for name in ROLES:
        (client.metadata / f"{name}.json").write_bytes(b"{")
    assert client.refresh() == 0
    assert client.versions == {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1}


@pytest.mark.parametrize("role", ROLES)
def test_unknown_fields(client, repository, role):
    """Fields that TUF does not name are signed with the rest and otherwise left alone."""
    repository.signed[role].unrecognized_fields["expiry_note"] = [1, {"ä": None}]
    repository.show_snapshot("targets")
    repository.show_timestamp()
    assert client.refresh() == 0
    assert client.data(role) == repository.files[repository.name(role)]


@pytest.mark.needs("faketime")
def test_an_expired_timestamp_still_stops_a_rollback(client, repository):
    """Versions are compared with an expired timestamp as well."""
    old = repository.files["metadata/timestamp.json"]
    repository.signed["timestamp"].expires = now() + DAY
    repository.publish()
    assert client.refresh() == 0
    repository.files["metadata/timestamp.json"] = old
    assert client.refresh(at=now() + 2 * DAY) == 1
    assert client.version("timestamp") == 2
