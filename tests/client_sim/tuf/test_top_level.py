"""Timestamp, snapshot and targets: steps 5.4 to 5.6 of TUF's client workflow."""

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


def _signed_by_a_stranger(role):
    def change(repository):
        repository.signers[role] = [CryptoSigner.generate_ed25519()]
        repository.publish("targets")

    return change


def _expired(role):
    def change(repository):
        repository.signed[role].expires = now() - DAY
        repository.publish("targets")

    return change


def _served(role, make):
    """Serve what `make` gives for the bytes of a new version of a role; None is a 404."""

    def change(repository):
        repository.publish("targets")
        name = repository.name(role)
        repository.files[name] = make(repository.files[name])
        if repository.files[name] is None:
            del repository.files[name]

    return change


def _too_long(role):
    return _served(role, lambda data: data + b" " * (LIMITS[role] + 1 - len(data)))


def _answered(status):
    def change(repository):
        repository.publish("targets")
        repository.answers[repository.name("timestamp")] = (status, b"")

    return change


def _other_version(role):
    """Serve another version under the name of the announced one."""

    def change(repository):
        repository.publish("targets")
        name = repository.name(role)
        repository.signed[role].version += 1
        repository.files[name] = repository.sign(role)

    return change


def _older_timestamp(repository):
    repository.signed["timestamp"].version = 1
    repository.show("timestamp")


def _older_snapshot(repository):
    repository.signed["timestamp"].version += 1
    repository.signed["timestamp"].snapshot_meta = MetaFile(1)
    repository.show("timestamp")


def _older_targets(repository):
    repository.signed["targets"].version = 0
    repository.publish("targets")


def _vanished_role(repository):
    del repository.signed["snapshot"].meta["armani.json"]
    repository.publish()


def _unknown_hash(repository):
    repository.publish("targets")
    repository.signed["timestamp"].snapshot_meta = MetaFile(3, None, {"md9": "00"})
    repository.show("timestamp")


# What a repository does after a refresh, and the versions of timestamp, snapshot and targets that
# are trusted then: those before the refused role are new.
REFUSED = [
    *((_signed_by_a_stranger(role), place) for place, role in enumerate(ROLES)),
    *((_expired(role), place) for place, role in enumerate(ROLES)),
    *((_too_long(role), place) for place, role in enumerate(ROLES)),
    *((_served(role, lambda _: None), place) for place, role in enumerate(ROLES)),
    *((_other_version(role), place) for place, role in enumerate(ROLES) if place),
    *((_answered(status), 0) for status in (204, 301, 403, 500)),
    (_older_timestamp, 0),  # rollback: 5.4.3.1
    (_older_snapshot, 0),  # rollback: 5.4.3.2
    (_older_targets, 1),  # rollback: 5.5.5, also where the hash of the held snapshot is listed
    (_older_targets, 1, "fingerprints"),
    (_served("snapshot", lambda data: data + b" "), 1, "fingerprints"),  # 5.5.2
    (_served("targets", lambda data: data[:-1]), 2, "fingerprints"),  # 5.6.2
    (_vanished_role, 1),  # 5.5.5
    (_unknown_hash, 1),
]


def test_what_is_refused(make_client):
    """The run ends there; what came before is kept, and so is the older one of what was refused."""
    for change, place, *listed in REFUSED:
        with case(change, place, *listed):
            repository = Repository(fingerprints=bool(listed))
            repository.delegate("targets", "armani")
            repository.show_snapshot("armani")
            repository.publish("targets")
            client = make_client(repository)
            assert client.refresh() == 0
            change(repository)
            assert client.refresh() == 1
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
