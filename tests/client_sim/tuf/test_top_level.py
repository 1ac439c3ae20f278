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
def test_each_role_is_followed(tmp_path, consistent):
    """With versions in the names and without; what TUF does not name is kept as it was signed."""
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
    assert repository.asked[2:] == [("snapshot", version), ("targets", version)]
    for role in ROLES:
        assert device.data(role) == repository.files[repository.name(role)]


def spoil(repository, what, role):
    """Publish new versions of which one role is not as it should be."""
    snapshot, timestamp = repository.signed["snapshot"], repository.signed["timestamp"]
    match what:
        case "signed by a stranger":
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
    repository.show("timestamp")


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


# What a repository does after a refresh, and with which role.
REFUSED = [
    *itertools.product(("signed by a stranger", "expired", "too long", "absent"), ROLES),
    *itertools.product(("older",), ROLES),  # rollback: 5.4.3.1, 5.4.3.2, 5.5.5
    *itertools.product(("of another version",), ROLES[1:]),
    *itertools.product((204, 301, 403, 500), ROLES[:1]),
    ("a role vanished", "snapshot"),  # 5.5.5
    ("of an unknown hash", "snapshot"),
]
# The same where timestamp and snapshot list lengths and hashes.
LISTED = [("older", "targets"), ("one byte more", "snapshot"), ("one byte more", "targets")]


def test_what_is_refused(make_client):
    """The run ends there; what came before is kept, and so is the older one of what was refused."""
    rows = [*((*row, False) for row in REFUSED), *((*row, True) for row in LISTED)]
    for what, role, fingerprints in rows:
        with case(what, role, fingerprints):
            repository = Repository(fingerprints=fingerprints)
            repository.delegate("targets", "armani")
            repository.show_snapshot("armani")
            repository.publish("targets")
            client = make_client(repository)
            assert client.refresh() == 0
            spoil(repository, what, role)
            assert client.refresh() == 1
            # Older versions in a list spoil the list.
            place = ROLES.index(role) - (what == "older" and role != "timestamp")
            assert [client.version(role) for role in ROLES] == [3] * place + [2] * (3 - place)


GARBAGE = (b"", b"{}", b"[]", b"\xff", b"[" * 5_000, b"null", b'{"a":1e9}')


def test_what_is_no_metadata(client, repository):
    """Any bytes at all are refused, and nothing before them is lost."""
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


def test_a_role_has_a_largest_size(client, repository):
    """So many bytes and no more where no length is signed: 5.3.3, 5.4.1, 5.5.1, 5.6.1."""
    repository.publish_root()
    for role, limit in (*LIMITS.items(), ("root", 512_001)):
        name = repository.name(role)
        repository.files[name] += b" " * (limit - len(repository.files[name]))
    assert client.refresh() == 1
    assert client.version("root") == 1
    repository.files["metadata/2.root.json"] = repository.files["metadata/2.root.json"][:-1]
    assert client.refresh() == 0


@pytest.mark.parametrize("role", ROLES)
def test_the_clock(client, repository, role):
    """What is held expires though nothing new is served; it is no obstacle to what is new."""
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
    """The one that is held stays, and nothing that the other one says counts: 5.4.3.1."""
    client.refresh()
    held = client.data("timestamp")
    repository.signed["timestamp"].snapshot_meta = MetaFile(100)
    repository.show("timestamp")
    repository.requests.clear()
    assert client.refresh() == 0
    assert client.data("timestamp") == held
    assert repository.asked == [("root", 2), ("timestamp", None)]


def test_a_snapshot_without_targets(client, repository):
    """Targets have to be listed."""
    repository.signed["snapshot"].meta = {}
    repository.show("snapshot")
    assert client.refresh() == 1
    assert client.version("targets") is None


def test_a_damaged_file_among_what_is_held(client):
    """It is fetched again."""
    client.refresh()
    for name in ROLES:
        (client.metadata / f"{name}.json").write_bytes(b"{")
    assert client.refresh() == 0
    assert client.versions == {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1}
