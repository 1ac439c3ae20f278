import contextlib
import dataclasses
import hashlib
import json

import pytest
from securesystemslib.exceptions import FormatError
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata

from client_sim.device.choose import Offer
from client_sim.device.client import PollingClient
from client_sim.device.errors import (
    AgreementError,
    LogError,
    PointerError,
    ProfileError,
    TransportError,
    TrustError,
)
from client_sim.device.release import decode_release
from client_sim.device.trust import SignedTarget, Trust, check_agreement
from client_sim.transport import Connection
from tests.cases import case
from tests.client_sim.device.fake_world import FakeWorld
from tests.client_sim.device.repository_simulator import (
    START,
    Repository,
    make_pointer,
    make_release,
    make_step,
)

TIMESTAMP = "/metadata/timestamp.json"


def _poll(world):
    world.sent.clear()
    return PollingClient(world).poll()


def test_the_root_to_start_from(repository, world):
    """The image's root counts if it is newer or the stored one is damaged."""
    repository.publish_root()
    _poll(world)
    first, second = (repository.files[f"/metadata/{number}.root.json"] for number in (1, 2))
    world.state["role.root"] = first
    assert Trust(second, world.state, now=START, built_at=START).next_root_version == 3
    world.state["role.root"] = b"\x00"
    assert _poll(world).failure is None
    assert world.paths[:2] == ["/metadata/2.root.json", "/metadata/3.root.json"]


def test_release_has_only_a_sha256(repository, world):
    """A target with other or additional hashes is refused."""
    link = repository.add_release()
    target = repository.signed["armani"].targets[link["p"]]
    repository.point(make_pointer([make_step(2, [link])]))
    for hashes in ({"md5": "0" * 32}, {"sha256": link["x"], "sha512": "0" * 128}):
        target.hashes = hashes
        repository.publish("armani", "latest")
        client = PollingClient(world)
        offer = client.poll().offer
        with Connection(world) as connection, pytest.raises(ProfileError, match="sha256"):
            client.fetch_release(offer, connection)


def test_latest_without_its_proof_is_not_used(repository, world):
    """It is not stored, and the next poll requests both again.

    Other content of the same version, validly signed, has no proof.
    """
    repository.offer()
    proof = repository.files.pop("/log/proof/latest.2")
    assert isinstance(_poll(world).failure, TransportError)
    assert "role.latest" not in world.state
    repository.files["/log/proof/latest.2"] = proof
    first = repository.files["/metadata/2.latest.json"]
    repository.signed["latest"].targets.clear()
    repository.files["/metadata/2.latest.json"] = repository.sign("latest")
    assert isinstance(_poll(world).failure, LogError)
    repository.files["/metadata/2.latest.json"] = first
    assert _poll(world).offer.counter == 2
    assert world.paths[2:4] == ["/metadata/2.latest.json", "/log/proof/latest.2"]


@pytest.mark.parametrize("role", ["tables", "content"])
@pytest.mark.parametrize("is_signed", [False, True])
def test_forged_public_role_is_a_warning(repository, world, role, is_signed):
    """Tables or content with another key or proof are not stored, and the pointer still counts."""
    repository.offer()
    if not is_signed:
        repository.signers[role] = [CryptoSigner.generate_ed25519()]
    repository.publish(role)
    if is_signed:
        repository.files[f"/log/proof/{role}.2"] = repository.files[f"/log/proof/{role}.1"]
    outcome = _poll(world)
    assert outcome.offer.counter == 2
    assert len(outcome.warnings) == 1
    assert f"role.{role}" not in world.state


def test_repository_without_pointers(repository, world):
    """Before the first announcement the snapshot does not list `latest`, which is no error."""
    del repository.signed["snapshot"].meta["latest.json"]
    repository.publish_online()
    outcome = _poll(world)
    assert outcome.failure is None
    assert outcome.offer is None
    assert not [path for path in world.paths if "latest" in path]


def test_malformed_versions_are_refused(repository, world):
    """A version becomes part of a path, so that only decimal numbers are accepted."""
    signer = repository.signers["timestamp"][0]
    signed = repository.signed["timestamp"]
    signed.version += 1
    signed.snapshot_meta.version = 777
    for version in (b"1.5", b"true", b"1e9", b"9007199254740992", b'"1"', b"-1"):
        repository.files[TIMESTAMP] = _resign(Metadata(signed), signer, version)
        with case(version):
            assert isinstance(_poll(world).failure, TrustError)
            assert len(world.sent) == 2


def test_root_of_the_image_must_fit_the_profile():
    """The rules of the profile also hold for the image's root."""
    repository = Repository()
    repository.signed["root"].unrecognized_fields["custom"] = {"log": "x", "schema": 1}
    repository.signed["root"].version = 1
    world = FakeWorld(repository, root=repository.sign("root"))
    assert isinstance(_poll(world).failure, ProfileError)
    assert not world.sent


def _resign(metadata, signer, version):
    """Sign the metadata with its version 777 replaced by any JSON text."""
    signed = metadata.signed.to_dict()
    signed["meta"]["snapshot.json"]["version"] = json.loads(version)
    # Canonical JSON has no floats, so that these have no valid signature.
    payload = b""
    with contextlib.suppress(FormatError):
        payload = encode_canonical(signed).encode()
    signature = signer.sign(payload).to_dict()
    return json.dumps({"signatures": [signature], "signed": signed}).encode()


def test_a_pointer_is_an_empty_file(repository, world):
    """FORMATS section 4: a pointer that names bytes is refused."""
    repository.offer()
    target = repository.signed["latest"].targets["latest/armani/id/stable"]
    for length, data in ((1, b""), (0, b"x")):
        target.length, target.hashes = length, {"sha256": hashlib.sha256(data).hexdigest()}
        repository.publish("latest")
        outcome = _poll(world)
        assert isinstance(outcome.failure, PointerError)
        assert outcome.offer is None


PATH = "armani/id/stable/a.zip"
OFFER = Offer(PATH, 7, "0" * 64, "full", 2, START, "2026-01-05", 0, (), 5)
TARGET = SignedTarget(7, "0" * 64, decode_release(PATH, make_release()))


def test_release_must_agree_with_the_pointer():
    """All nine facts are compared; only the final counter is the pointer's own."""
    check_agreement(OFFER, TARGET)
    for change in (
        {"path": "armani/id/stable/b.zip"},
        {"length": 8},
        {"sha256": "1" * 64},
        {"type": "incremental"},
        {"counter": 3},
        {"post_timestamp": START + 1},
        {"security_patch_level": "2026-01-06"},
        {"min_counter": 1},
        {"source_builds": ("x",)},
    ):
        with case(change), pytest.raises(AgreementError):
            check_agreement(dataclasses.replace(OFFER, **change), TARGET)


def test_a_withdrawn_release_is_refused():
    """A withdrawn release is refused, also while it drains."""
    for drain in ({}, {"drain_until": 2**53 - 1}, {"drain_until": "later"}):
        release = decode_release(PATH, make_release(withdrawn=True, **drain))
        with pytest.raises(AgreementError, match="withdrawn"):
            check_agreement(OFFER, dataclasses.replace(TARGET, release=release))
