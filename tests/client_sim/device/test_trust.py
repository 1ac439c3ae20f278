import contextlib
import hashlib
import json

import pytest
from securesystemslib.exceptions import FormatError
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile

from client_sim.device.client import PollingClient
from client_sim.device.errors import (
    ExpiredError,
    LogError,
    PointerError,
    ProfileError,
    TransportError,
    TrustError,
)
from client_sim.device.signed_time import raise_clock
from client_sim.device.trust import Trust
from client_sim.transport import Connection
from tests.client_sim.device.fake_world import FakeWorld
from tests.client_sim.device.repository_simulator import (
    DAY,
    START,
    Log,
    Repository,
    make_pointer,
    make_step,
    response,
)

TIMESTAMP = "/metadata/timestamp.json"


def _poll(world):
    world.sent.clear()
    return PollingClient(world).poll()


def _new_key():
    return [CryptoSigner.generate_ed25519()]


def test_an_older_timestamp_is_refused(repository, world):
    """A validly signed, unexpired, but older timestamp is a rollback."""
    old = repository.files[TIMESTAMP]
    repository.refresh()
    assert _poll(world).failure is None
    repository.files[TIMESTAMP] = old
    assert isinstance(_poll(world).failure, TrustError)
    assert len(world.sent) == 2


def test_an_older_snapshot_in_a_newer_timestamp_is_refused(repository, world):
    """The timestamp's own version grows but names an older snapshot."""
    repository.publish("latest")
    assert _poll(world).failure is None
    repository.signed["timestamp"].version += 1
    repository.signed["timestamp"].snapshot_meta = MetaFile(1)
    repository.files[TIMESTAMP] = repository.sign("timestamp")
    assert isinstance(_poll(world).failure, TrustError)


@pytest.mark.parametrize("role", ["latest", "armani", "targets"])
def test_an_older_role_in_a_newer_snapshot_is_refused(repository, world, role):
    """No role that the snapshot lists ever goes back, also those that are not fetched."""
    repository.publish(role)
    assert _poll(world).failure is None
    repository.signed["snapshot"].meta[f"{role}.json"] = MetaFile(1)
    repository.publish()
    assert isinstance(_poll(world).failure, TrustError)


def test_a_role_that_vanishes_from_the_snapshot_is_refused(repository, world):
    """A role once listed is never dropped."""
    assert _poll(world).failure is None
    del repository.signed["snapshot"].meta["armani.json"]
    repository.publish()
    assert isinstance(_poll(world).failure, TrustError)


def test_mix_and_match_is_refused(repository, world):
    """An older role file under the name of the newer version does not pass."""
    assert _poll(world).failure is None
    repository.publish("latest")
    repository.files["/metadata/2.latest.json"] = repository.files["/metadata/1.latest.json"]
    assert isinstance(_poll(world).failure, TrustError)
    assert "role.latest" in world.state


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets", "latest"])
def test_a_role_by_an_unknown_key_is_refused(repository, world, role):
    """Everything that decides is signed by the key that its delegator names."""
    repository.signers[role] = _new_key()
    repository.publish("targets", "latest")
    outcome = _poll(world)
    assert isinstance(outcome.failure, TrustError)
    assert outcome.offer is None
    assert f"role.{role}" not in world.state


def test_one_role_cannot_sign_for_another(repository, world):
    """The editors' key, valid for content, does not make a pointer."""
    repository.signers["latest"] = repository.signers["content"]
    repository.publish("latest")
    assert isinstance(_poll(world).failure, TrustError)


def test_a_root_with_one_of_two_signatures_is_refused(repository, world):
    """The threshold of root is two."""
    repository.signers["root"] = repository.signers["root"][:1]
    repository.publish_root()
    assert isinstance(_poll(world).failure, TrustError)
    assert "role.root" not in world.state


def test_a_chain_of_roots_is_walked_and_kept(repository, world):
    """Three new roots cost four requests once, and one afterwards."""
    for _ in range(3):
        repository.publish_root()
    assert _poll(world).failure is None
    assert world.paths[:4] == [f"/metadata/{version}.root.json" for version in (2, 3, 4, 5)]
    _poll(world)
    assert world.paths == ["/metadata/5.root.json", TIMESTAMP]


def test_a_skipped_root_version_is_refused(repository, world):
    """Root 3 under the name of root 2 is none."""
    repository.signed["root"].version += 1
    repository.publish_root()
    repository.files["/metadata/2.root.json"] = repository.files.pop("/metadata/3.root.json")
    assert isinstance(_poll(world).failure, TrustError)


def test_an_expired_root_may_lead_to_a_newer_one(repository, world):
    """A phone that lay in a drawer for two years finds its way by the chain."""
    world.clock += 700 * DAY
    repository.now = int(world.clock)
    repository.publish_root()
    repository.publish("targets", "latest", "tables", "content")
    assert _poll(world).failure is None


def test_a_newer_root_in_the_image_wins(repository, world):
    """After a ROM was flashed that ships root 2, root 1 in the state does not count."""
    repository.publish_root()
    _poll(world)
    world.state["role.root"] = repository.files["/metadata/1.root.json"]
    trust = Trust(repository.files["/metadata/2.root.json"], world.state, now=START, built_at=START)
    assert trust.next_root_version == 3


def test_a_damaged_root_in_the_state_is_walked_to_again(repository, world):
    """The chain starts from the image's root once more."""
    repository.publish_root()
    _poll(world)
    world.state["role.root"] = b"\x00"
    assert _poll(world).failure is None
    assert world.paths[:2] == ["/metadata/2.root.json", "/metadata/3.root.json"]


def test_one_poll_walks_256_roots(repository, world):
    """A server that makes up roots without end keeps a phone for 256 of them: TUF 5.3.3."""
    for _ in range(257):
        repository.signed["root"].version += 1
        version = repository.signed["root"].version
        repository.files[f"/metadata/{version}.root.json"] = repository.sign("root")
    outcome = _poll(world)
    assert outcome.failure is None
    assert dict(outcome.versions)["root"] == 257
    assert world.paths[255:257] == ["/metadata/257.root.json", TIMESTAMP]
    outcome = _poll(world)
    assert dict(outcome.versions)["root"] == 258
    assert world.paths == ["/metadata/258.root.json", "/metadata/259.root.json", TIMESTAMP]


@pytest.mark.parametrize("hashes", [{}, {"sha512": "0" * 128}])
def test_a_release_is_signed_by_sha256_alone(repository, world, hashes):
    """A target with other hashes, or none besides, is no release of this profile."""
    link = repository.add_release()
    target = repository.signed["armani"].targets[link["p"]]
    target.hashes = {**({"sha256": link["x"]} if hashes else {"md5": "0" * 32}), **hashes}
    repository.point(make_pointer([make_step(2, [link])]))
    repository.publish("armani", "latest")
    client = PollingClient(world)
    offer = client.poll().offer
    with Connection(world) as connection, pytest.raises(ProfileError, match="sha256"):
        client.fetch_release(offer, connection)


def test_a_key_under_another_id_in_a_role_does_not_help(repository, world):
    """A signature counted under a made-up key id is no signature."""
    data = repository.files["/metadata/1.latest.json"]
    keyid = repository.signers["latest"][0].public_key.keyid.encode()
    repository.files["/metadata/1.latest.json"] = data.replace(keyid, b"0" * 64)
    assert isinstance(_poll(world).failure, TrustError)


@pytest.mark.parametrize("role", ["timestamp", "snapshot"])
@pytest.mark.parametrize("overlap", [False, True])
def test_recovery_from_fast_forward(repository, world, role, overlap):
    """A thief raised all versions to a billion; a root without his key makes phones go back."""
    signed = repository.signed
    before = {name: signed[name].version for name in ("timestamp", "snapshot", "latest")}
    for name in before:
        signed[name].version = 1_000_000_000
    repository.publish_role("latest")
    repository.publish_online()
    assert dict(_poll(world).versions)["latest"] == 1_000_000_000
    for name, version in before.items():
        signed[name].version = version + 1
    repository.publish_role("latest")
    repository.publish_online()
    assert isinstance(_poll(world).failure, TrustError)
    stolen = repository.signers[role]
    if overlap:
        # The thief's key goes while a second one, which signed too, stays.
        both = [*stolen, *_new_key()]
        repository.set_keys(role, both)
        repository.publish_root()
        repository.publish_online()
        assert isinstance(_poll(world).failure, TrustError)
        repository.set_keys(role, both[1:])
    else:
        repository.set_keys(role, _new_key())
    repository.publish_root()
    repository.publish_online()
    outcome = _poll(world)
    assert outcome.failure is None
    assert dict(outcome.versions)["latest"] == before["latest"] + 1


def test_a_planned_key_change_keeps_rollback_protection(repository, world):
    """A root that only adds a key does not make phones forget what they have seen."""
    old = repository.files[TIMESTAMP]
    repository.refresh()
    _poll(world)
    repository.set_keys("timestamp", [*repository.signers["timestamp"], *_new_key()])
    repository.publish_root()
    repository.files[TIMESTAMP] = old
    assert isinstance(_poll(world).failure, TrustError)
    assert "role.timestamp" in world.state


@pytest.mark.parametrize("path", [TIMESTAMP, "/metadata/1.snapshot.json", "/metadata/2.root.json"])
def test_endless_metadata_is_cut_off(repository, world, path):
    """Metadata above its fixed limit is refused, gzip or not."""
    repository.files[path] = bytes(2_100_000)
    assert isinstance(_poll(world).failure, TransportError)
    repository.overrides[path] = response(b"200 OK", bytes(2_100_000))
    assert isinstance(_poll(world).failure, TransportError)


def test_the_signed_length_is_a_limit(repository, world):
    """A timestamp that states the snapshot's length is believed in that, too."""
    repository.signed["timestamp"].version += 1
    repository.signed["timestamp"].snapshot_meta = MetaFile(1, length=10)
    repository.files[TIMESTAMP] = repository.sign("timestamp")
    assert isinstance(_poll(world).failure, TransportError)


def test_a_missing_proof_is_refused(repository, world):
    """`latest` without a proof is not used and not kept; the next poll asks for both again."""
    repository.offer()
    proof = repository.files.pop("/log/proof/latest.2")
    assert isinstance(_poll(world).failure, TransportError)
    assert "role.latest" not in world.state
    repository.files["/log/proof/latest.2"] = proof
    assert _poll(world).offer.counter == 2
    assert world.paths[2:4] == ["/metadata/2.latest.json", "/log/proof/latest.2"]


def test_a_proof_by_another_log_is_refused(repository, world):
    """A log that the root does not name proves nothing."""
    repository.offer()
    log = Log()
    data = repository.files["/metadata/2.latest.json"]
    repository.files["/log/proof/latest.2"] = log.prove(log.append("latest", 2, data))
    assert isinstance(_poll(world).failure, LogError)
    assert "role.latest" not in world.state


def test_a_role_signed_twice_under_one_version_is_not_in_the_log(repository, world):
    """A second content under the same version, validly signed, has no proof."""
    repository.offer()
    repository.signed["latest"].targets.clear()
    repository.files["/metadata/2.latest.json"] = repository.sign("latest")
    assert isinstance(_poll(world).failure, LogError)


@pytest.mark.parametrize("role", ["tables", "content"])
def test_a_forged_public_role_is_a_warning_and_not_kept(repository, world, role):
    """The pointer still counts; the forged tables do not."""
    repository.offer()
    repository.signers[role] = _new_key()
    repository.publish(role)
    outcome = _poll(world)
    assert outcome.offer.counter == 2
    assert len(outcome.warnings) == 1
    assert f"role.{role}" not in world.state


def test_a_repository_without_pointers_yet_is_no_error(repository, world):
    """Before the first announcement the snapshot does not list `latest`."""
    del repository.signed["snapshot"].meta["latest.json"]
    repository.publish_online()
    outcome = _poll(world)
    assert outcome.failure is None
    assert outcome.offer is None
    assert not [path for path in world.paths if "latest" in path]


def test_targets_must_be_listed(repository, world):
    """A snapshot without targets is refused."""
    del repository.signed["snapshot"].meta["targets.json"]
    repository.publish_online()
    assert isinstance(_poll(world).failure, TrustError)


@pytest.mark.parametrize("version", [b"1.5", b"true", b"1e9", b"9007199254740992", b'"1"', b"-1"])
def test_a_version_that_no_path_can_hold_is_refused(repository, world, version):
    """A version goes into a path, so that only a decimal number may ever be one."""
    signer = repository.signers["timestamp"][0]
    signed = repository.signed["timestamp"]
    signed.version += 1
    signed.snapshot_meta.version = 777
    data = _resign(Metadata(signed), signer, version)
    repository.files[TIMESTAMP] = data
    assert isinstance(_poll(world).failure, TrustError)
    assert len(world.sent) == 2


def test_garbage_is_refused(world, repository):
    """What is no metadata at all is refused as such."""
    for garbage in (b"", b"{}", b"[]", b"\xff", b'{"signatures":[],"signed":{}}', b"[" * 9000):
        repository.files[TIMESTAMP] = garbage
        assert isinstance(_poll(world).failure, TrustError)


def test_a_root_of_the_image_that_breaks_the_profile_is_refused():
    """Not even the image's root may break the rules."""
    repository = Repository()
    repository.signed["root"].unrecognized_fields["custom"] = {"log": "x", "schema": 1}
    repository.signed["root"].version = 1
    world = FakeWorld(repository, root=repository.sign("root"))
    assert isinstance(_poll(world).failure, ProfileError)
    assert not world.sent


def _resign(metadata, signer, version):
    """Sign the metadata with its 777 replaced by any JSON text."""
    signed = metadata.signed.to_dict()
    signed["meta"]["snapshot.json"]["version"] = json.loads(version)
    # Canonical JSON has no floats; what cannot be signed is refused for that already.
    payload = b""
    with contextlib.suppress(FormatError):
        payload = encode_canonical(signed).encode()
    signature = signer.sign(payload).to_dict()
    return json.dumps({"signatures": [signature], "signed": signed}).encode()


@pytest.mark.parametrize(
    ("length", "sha256"), [(1, hashlib.sha256().hexdigest()), (0, hashlib.sha256(b"x").hexdigest())]
)
def test_a_pointer_is_an_empty_file(repository, world, length, sha256):
    """One that names bytes is no pointer, though `latest` is signed: FORMATS section 4."""
    repository.offer()
    target = repository.signed["latest"].targets["latest/armani/id/stable"]
    target.length, target.hashes = length, {"sha256": sha256}
    repository.publish("latest")
    outcome = _poll(world)
    assert isinstance(outcome.failure, PointerError)
    assert outcome.offer is None


def test_no_clock_is_believed_below_what_maintainers_have_signed(world):
    """A clock that was set back does not bring expired metadata back to life."""
    assert _poll(world).failure is None
    raise_clock(world.state, START + 400 * DAY)
    assert isinstance(_poll(world).failure, ExpiredError)
