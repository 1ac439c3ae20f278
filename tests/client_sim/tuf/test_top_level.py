"""Timestamp, snapshot and targets: steps 5.4 to 5.6 of TUF's client workflow."""

import itertools

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import MetaFile

from tests.cases import case
from tests.client_sim.tuf.clients import Device
from tests.client_sim.tuf.simulator import DAY, Repository, now

ROLES = ("timestamp", "snapshot", "targets")
LIMITS = {"timestamp": 16_384, "snapshot": 2_000_000, "targets": 5_000_000}


@pytest.mark.parametrize("consistent", [True, False])
def test_roles_are_updated(tmp_path, consistent):
    """With and without versions in file names; unknown fields are kept as signed."""
    repository = Repository(consistent=consistent)
    device = Device(tmp_path, repository)
    device.init()
    assert device.refresh() == 0
    for role in ROLES:
        repository.signed[role].unrecognized_fields["expiry_note"] = [1, {"ä": None}]
    repository.publish("targets")
    repository.requests.clear()
    assert device.refresh() == 0
    assert device.versions == {"root": 1, "snapshot": 2, "targets": 2, "timestamp": 2}
    version = 2 if consistent else None
    assert repository.requested[2:] == [("snapshot", version), ("targets", version)]
    for role in ROLES:
        assert device.data(role) == repository.files[repository.name(role)]


def spoil(repository, what, role):
    """Publish new versions, one role of which is invalid."""
    snapshot, timestamp = repository.signed["snapshot"], repository.signed["timestamp"]
    match what:
        case "signed by another key":
            repository.signers[role] = [CryptoSigner.generate_ed25519()]
        case "expired":
            repository.signed[role].expires = now() - DAY
        case "older" if role == "targets":
            repository.signed[role].version = 0
        case "a role vanished":
            del snapshot.meta["armani.json"]
    repository.publish("targets")
    serve_wrong(repository, what, role)
    if what == "older" and role == "timestamp":
        timestamp.version = 1
    elif what == "older" and role == "snapshot":
        timestamp.snapshot_meta = MetaFile(1)
    elif what == "of an unknown hash":
        timestamp.snapshot_meta = MetaFile(snapshot.version, None, {"md9": "00"})
    else:
        return
    repository.serve_role("timestamp")


def serve_wrong(repository, what, role):
    """Serve something else for a role than what was published; a number is a status."""
    name = repository.name(role)
    match what:
        case "too long":
            repository.files[name] += b" " * (LIMITS[role] + 1 - len(repository.files[name]))
        case "one byte more":
            repository.files[name] += b" "
        case "absent":
            del repository.files[name]
        case "of another version":
            repository.signed[role].version += 1
            repository.files[name] = repository.sign(role)
        case int():
            repository.answers[name] = (what, b"")


# Faults of a repository after a refresh, and their role.
REFUSED = [
    *itertools.product(("signed by another key", "expired", "too long", "absent"), ROLES),
    *itertools.product(("older",), ROLES),  # rollback: 5.4.3.1, 5.4.3.2, 5.5.5
    *itertools.product(("of another version",), ROLES[1:]),
    *itertools.product((204, 301, 403, 500), ROLES[:1]),
    ("a role vanished", "snapshot"),  # 5.5.5
    ("of an unknown hash", "snapshot"),
]
# Faults where timestamp and snapshot list lengths and hashes.
LISTED = [("older", "targets"), ("one byte more", "snapshot"), ("one byte more", "targets")]


def test_refused_roles(make_client):
    """The refresh ends there; earlier roles are stored, and the role's old version stays."""
    rows = [*((*row, False) for row in REFUSED), *((*row, True) for row in LISTED)]
    for what, role, fingerprints in rows:
        with case(what, role, fingerprints):
            repository = Repository(fingerprints=fingerprints)
            repository.delegate("targets", "armani")
            repository.serve_snapshot("armani")
            repository.publish("targets")
            client = make_client(repository)
            assert client.refresh() == 0
            spoil(repository, what, role)
            assert client.refresh() == 1
            # An older version makes the role that lists it invalid.
            place = ROLES.index(role) - (what == "older" and role != "timestamp")
            assert [client.version(role) for role in ROLES] == [3] * place + [2] * (3 - place)


GARBAGE = (b"", b"{}", b"[]", b"\xff", b"[" * 5_000, b"null", b'{"a":1e9}')


def test_malformed_metadata(client, repository):
    """Malformed bytes are refused, and the stored metadata stays."""
    client.refresh()
    repository.publish("targets")
    good = dict(repository.files)
    for role, data in (*(("timestamp", data) for data in GARBAGE), ("targets", b"{}")):
        with case(role, data):
            before = client.data(role)
            repository.files[repository.name(role)] = data
            assert client.refresh() == 1
            assert client.data(role) == before
            repository.files = dict(good)
    assert client.refresh() == 0


def test_size_limits_of_roles(client, repository):
    """Roles without a signed length have a limit: 5.3.3, 5.4.1, 5.5.1, 5.6.1."""
    repository.publish_root()
    for role, limit in (*LIMITS.items(), ("root", 512_001)):
        name = repository.name(role)
        repository.files[name] += b" " * (limit - len(repository.files[name]))
    assert client.refresh() == 1
    assert client.version("root") == 1
    repository.files["metadata/2.root.json"] = repository.files["metadata/2.root.json"][:-1]
    assert client.refresh() == 0


@pytest.mark.parametrize("role", ROLES)
def test_expiry_of_stored_roles(client, repository, role):
    """Stored roles expire although no new ones are served, and do not block newer ones."""
    repository.signed[role].expires = now() + 7 * DAY
    repository.publish("targets")
    assert client.refresh(at=now() + 6 * DAY) == 0
    assert client.refresh(at=now() + 8 * DAY) == 1
    repository.signed[role].expires = now() + 21 * DAY
    repository.publish("targets")
    assert client.refresh(at=now() + 18 * DAY) == 0
    assert client.version(role) == 3


def test_an_expired_timestamp_still_stops_a_rollback(client, repository):
    """Versions are compared with an expired timestamp as well."""
    old = repository.files["metadata/timestamp.json"]
    repository.signed["timestamp"].expires = now() + DAY
    repository.publish()
    assert client.refresh() == 0
    repository.files["metadata/timestamp.json"] = old
    assert client.refresh(at=now() + 2 * DAY) == 1
    assert client.version("timestamp") == 2


def test_the_same_timestamp_version_with_other_bytes(client, repository):
    """The stored timestamp stays, and the values of the other one are ignored: 5.4.3.1."""
    client.refresh()
    held = client.data("timestamp")
    repository.signed["timestamp"].snapshot_meta = MetaFile(100)
    repository.serve_role("timestamp")
    repository.requests.clear()
    assert client.refresh() == 0
    assert client.data("timestamp") == held
    assert repository.requested == [("root", 2), ("timestamp", None)]


def test_a_snapshot_without_targets(client, repository):
    """A snapshot must list targets."""
    repository.signed["snapshot"].meta = {}
    repository.serve_role("snapshot")
    assert client.refresh() == 1
    assert client.version("targets") is None


def test_damaged_stored_roles(client):
    """Damaged files are fetched again."""
    client.refresh()
    for name in ROLES:
        (client.metadata / f"{name}.json").write_bytes(b"{")
    assert client.refresh() == 0
    assert client.versions == {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1}
