"""A snapshot is served only if it verifies from the pinned root, without altered files."""

import asyncio
import itertools
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from securesystemslib.signer import CryptoSigner

from server.core.errors import TrustError
from server.core.metadata import decode_snapshot, decode_timestamp
from server.device.documents import make_document
from server.device.integrity import find_altered, leave_out, verify_snapshot
from server.device.snapshot import EMPTY
from server.publisher.keys.online_keys import create_next_keys, create_online_keys, load_online_keys
from tests.cases import case
from tests.server.ceremony import Ceremony
from tests.server.world import ORIGIN, PACKAGE_2, open_log


@pytest.fixture(scope="module")
def rich(published_state, tmp_path_factory):
    """Return a state with superseded versions of each kind. Tests must not change it."""
    world = published_state.copy(tmp_path_factory.mktemp("rich") / "state")
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    assert world.publish({("root", 2): world.ceremony.root(2)}).reason == ""
    assert world.publish({("root", 3): world.ceremony.root(3)}).reason == ""
    return world


def verify(world, snapshot, before=None):
    """Verify a snapshot from the pinned root."""
    return verify_snapshot(snapshot, world.folder.trusted_root.read_bytes(), before)


def find(world, snapshot, previous=EMPTY):
    """Verify a snapshot and return the paths of altered files."""
    return find_altered(snapshot, previous, verify(world, snapshot))


def replaced(snapshot, url, change):
    """Return the snapshot with one file's bytes changed."""
    body = change(snapshot.documents[url].identity.body)
    document = make_document(url, body, mutable=False)
    return replace(snapshot, documents={**snapshot.documents, url: document})


def test_published_files_verify(rich):
    """All files of a published state verify, at least one of each kind."""
    snapshot = rich.snapshot()
    assert find(rich, snapshot) == frozenset()
    assert {
        *("/metadata/1.root.json", "/metadata/1.snapshot.json", "/metadata/1.latest.json"),
        *("/metadata/2.armani.json", "/log/checkpoint", "/log/proof/armani.2"),
    } <= snapshot.documents.keys()


ALTERED = {
    "/metadata/1.root.json": {"/metadata/1.root.json"},
    "/metadata/1.snapshot.json": {"/metadata/1.snapshot.json"},
    "/metadata/1.latest.json": {"/metadata/1.latest.json"},
    "/metadata/2.armani.json": {"/metadata/2.armani.json"},
    "/log/checkpoint": {"/log/checkpoint"},
    "/log/proof/armani.3": {"/log/proof/armani.3"},
    "/log/proof/root.2": {"/log/proof/root.2"},
    "/log/proof/armani.2": {"/log/proof/armani.2", "/metadata/2.armani.json"},
}


def flip_bit(body):
    """Flip one bit in the middle."""
    at = len(body) // 2
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


def test_altered_files_are_found(rich):
    """An altered file is found, with exactly the files that depend on it."""
    snapshot = rich.snapshot()
    for url, change in itertools.product(
        ALTERED, (flip_bit, lambda _body: b"", lambda body: body[:-1])
    ):
        with case(url, change):
            altered = replaced(snapshot, url, change)
            assert find(rich, altered) == ALTERED[url]
            assert find(rich, altered, snapshot) == ALTERED[url]
            left = leave_out(altered, frozenset(ALTERED[url]))
            assert snapshot.documents.keys() - left.documents.keys() == ALTERED[url]
            assert find(rich, left) <= {"/metadata/2.armani.json"}
            again = rich.snapshot(left)
            assert again.documents.keys() == snapshot.documents.keys()
            assert find(rich, again, left) == frozenset()
            kept = {url for role in left.roles.values() for url in role.documents}
            assert not (kept | left.log.documents.keys()) & ALTERED[url]


def test_swapped_files_are_found(rich):
    """A signed file under the name of another one is found."""
    snapshot = rich.snapshot()
    for url, other in (
        ("/metadata/1.snapshot.json", "/metadata/2.snapshot.json"),
        ("/metadata/2.armani.json", "/metadata/1.armani.json"),
        ("/log/proof/armani.3", "/log/proof/armani.2"),
    ):
        body = snapshot.documents[other].identity.body
        assert find(rich, replaced(snapshot, url, lambda _body, body=body: body)) == {url}


def test_proofs_of_unserved_versions_are_checked(rich):
    """Proofs of versions that are not served are compared with the log's entries."""
    snapshot = leave_out(rich.snapshot(), frozenset({"/metadata/2.armani.json"}))
    proof = "/log/proof/armani.2"
    assert proof in snapshot.documents
    assert find(rich, snapshot) == frozenset()
    assert find(rich, replaced(snapshot, proof, flip_bit)) == {proof}
    other = snapshot.documents["/log/proof/armani.3"].identity.body
    assert find(rich, replaced(snapshot, proof, lambda _body: other)) == {proof}
    tile = f"/log/tile/entries/000.p/{snapshot.log.size}"
    for broken in (b"", snapshot.documents[tile].identity.body.replace(b"armani", b"armano")):
        assert find(rich, replaced(snapshot, tile, lambda _body, body=broken: body)) == {proof}


def test_log_signed_by_the_next_key_verifies(world):
    """A log that was partly or completely signed again verifies."""
    snapshot = world.snapshot()
    create_next_keys(world.folder.keys, ["log"])
    keys = load_online_keys(world.folder.keys).log_keys

    async def restate():
        async with open_log(world.folder) as log:
            await log.restate(keys, ())

    asyncio.run(restate())
    again = world.snapshot(snapshot)
    assert again.documents["/log/proof/armani.2"] != snapshot.documents["/log/proof/armani.2"]
    assert find(world, again, snapshot) == frozenset()
    assert find(world, again) == frozenset()


def test_keys_of_a_forged_root_are_not_trusted(rich, tmp_path):
    """A forged root's keys are not trusted for superseded snapshots."""
    create_online_keys(tmp_path / "keys", ORIGIN)
    keys = load_online_keys(tmp_path / "keys")
    stranger = Ceremony(keys, rich.now())
    url, root = "/metadata/1.snapshot.json", "/metadata/1.root.json"
    snapshot = replaced(rich.snapshot(), root, lambda _body: stranger.root())
    signed = decode_snapshot(snapshot.documents[url].identity.body).signed
    forged = stranger.sign("snapshot", signed, [keys.signers["snapshot"]])
    assert find(rich, replaced(snapshot, url, lambda _body: forged)) == {root, url}


def test_stepwise_and_complete_verification_agree(world):
    """Verification in steps and in one pass trust the same versions, even expired ones."""
    snapshot = world.snapshot()
    trusted = verify(world, snapshot)
    assert trusted.versions["armani"] == 2
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    assert world.publish({("root", 2): world.ceremony.root(2)}).reason == ""
    world.ahead += timedelta(days=400)
    snapshot = world.snapshot(snapshot)
    stepwise, complete = verify(world, snapshot, trusted), verify(world, snapshot)
    assert stepwise.versions == complete.versions
    assert stepwise.root.version == complete.root.version == 2
    assert stepwise.versions["armani"] == 3


def test_altered_current_files_are_refused(world):
    """If any current file is altered, the whole snapshot is refused.

    Two roles cannot replace each other.
    """
    assert world.publish({("root", 2): world.ceremony.root(2)}).reason == ""
    snapshot = world.snapshot()
    versions = {**snapshot.current, "root": 2}
    urls = {role: f"/metadata/{version}.{role}.json" for role, version in versions.items()}
    urls["timestamp"] = "/metadata/timestamp.json"

    def change(body):
        document = json.loads(body)
        document["signed"]["expires"] = "2099-01-01T00:00:00Z"
        return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()

    for role in ("root", "timestamp", "snapshot", "targets", "latest", "armani"):
        with case(role), pytest.raises(TrustError):
            verify(world, replaced(snapshot, urls[role], change))
        verify(world, replaced(snapshot, urls[role], lambda body: body))
    one, other = urls["armani"], urls["cancro"]
    documents = dict(snapshot.documents)
    documents[one], documents[other] = documents[other], documents[one]
    with pytest.raises(TrustError):
        verify(world, replace(snapshot, documents=documents))


def test_older_version_under_a_newer_name_is_refused(world):
    """An older version under a newer file name is refused."""
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    snapshot = world.snapshot()
    older = snapshot.documents["/metadata/2.armani.json"].identity.body
    with pytest.raises(TrustError, match="is armani 2"):
        verify(world, replaced(snapshot, "/metadata/3.armani.json", lambda _body: older))


def with_targets(world, snapshot, targets):
    """Return the snapshot with `targets` as version 2 of targets, signed by the online roles."""
    ceremony, documents = world.ceremony, dict(snapshot.documents)

    def put(url, role, signed):
        body = ceremony.sign(role, signed, [ceremony.online.signers[role]])
        documents[url] = make_document(url, body, mutable=False)

    documents["/metadata/2.targets.json"] = make_document(
        "/metadata/2.targets.json", targets, mutable=False
    )
    version = snapshot.current["snapshot"]
    listed = decode_snapshot(documents[f"/metadata/{version}.snapshot.json"].identity.body).signed
    listed.version = version + 1
    listed.meta["targets.json"].version = 2
    put(f"/metadata/{version + 1}.snapshot.json", "snapshot", listed)
    url = "/metadata/timestamp.json"
    timestamp = decode_timestamp(documents[url].identity.body).signed
    timestamp.version += 1
    timestamp.snapshot_meta.version = version + 1
    put(url, "timestamp", timestamp)
    return replace(snapshot, documents=documents)


def test_changed_delegation_keys_verify_the_role_again(world, monkeypatch):
    """An unchanged role is verified again if its delegation's keys changed."""
    snapshot = world.snapshot()
    trusted = verify(world, snapshot)
    same = world.ceremony.targets(2)
    assert verify(world, with_targets(world, snapshot, same), trusted).versions["targets"] == 2
    monkeypatch.setitem(world.ceremony.keys, "armani", [CryptoSigner.generate_ed25519()])
    other = world.ceremony.targets(2)
    with pytest.raises(TrustError, match="armani 2 does not have the required signatures"):
        verify(world, with_targets(world, snapshot, other), trusted)


def test_older_root_is_refused(world):
    """A snapshot with an older root than the trusted one is refused."""
    first = world.snapshot()
    assert world.publish({("root", 2): world.ceremony.root(2)}).reason == ""
    trusted = verify(world, world.snapshot())
    with pytest.raises(TrustError, match="root 2 is trusted"):
        verify(world, first, trusted)


def test_root_of_another_operator_is_refused(world):
    """A snapshot of another operator's root is refused."""
    other = type(world.ceremony)(world.ceremony.online, world.ceremony.now).root(1)
    with pytest.raises(TrustError):
        verify_snapshot(world.snapshot(), other, None)
