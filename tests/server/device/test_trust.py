"""A snapshot is served only if it follows from the pinned root."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from securesystemslib.signer import CryptoSigner

from server.core.errors import TrustError
from server.core.metadata import decode_snapshot, decode_timestamp
from server.device.documents import make_document
from server.device.integrity import verify_snapshot
from server.device.snapshot import EMPTY, load_snapshot
from server.storage.local_blobs import LocalBlobs
from tests.server.world import PACKAGE_2


def load(world, previous=EMPTY):
    """Load the public state."""
    return load_snapshot(world.folder.public, LocalBlobs(world.folder.blobs), previous)


def verify(world, snapshot, before=None):
    """Verify, starting from the pinned root."""
    return verify_snapshot(snapshot, world.folder.trusted_root.read_bytes(), before)


def replaced(snapshot, url, change):
    """Return the snapshot with one file whose JSON was changed."""
    document = json.loads(snapshot.documents[url].identity.body)
    change(document)
    body = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
    documents = {**snapshot.documents, url: make_document(url, body, mutable=False)}
    return type(snapshot)(
        snapshot.version, documents, snapshot.packages, frozenset(), snapshot.current, snapshot.root
    )


def test_what_was_published_is_trusted(world):
    """Step by step or in one pass, over releases, new holders and new roots; expired or not."""
    snapshot = load(world)
    trusted = verify(world, snapshot)
    assert trusted.versions["armani"] == 2
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    assert world.publish({("root", 2): world.ceremony.root(2)}).reason == ""
    world.ahead += timedelta(days=400)
    snapshot = load(world, snapshot)
    stepwise, at_once = verify(world, snapshot, trusted), verify(world, snapshot)
    assert stepwise.versions == at_once.versions
    assert stepwise.root.version == at_once.root.version == 2
    assert stepwise.versions["armani"] == 3


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets", "latest", "armani"])
def test_what_is_not_as_it_was_signed(world, role):
    """With one altered value in any current file, no part of the snapshot is trusted."""
    assert world.publish({("root", 2): world.ceremony.root(2)}).reason == ""
    snapshot = load(world)
    version = {**snapshot.current, "root": 2}.get(role)
    url = f"/metadata/{version}.{role}.json" if version else "/metadata/timestamp.json"

    def change(document):
        document["signed"]["expires"] = "2099-01-01T00:00:00Z"

    with pytest.raises(TrustError):
        verify(world, replaced(snapshot, url, change))
    verify(world, replaced(snapshot, url, lambda _document: None))


def test_signatures_of_others(world):
    """Two roles of one shape cannot replace each other."""
    snapshot = load(world)
    urls = [f"/metadata/{snapshot.current[role]}.{role}.json" for role in ("armani", "cancro")]
    documents = dict(snapshot.documents)
    documents[urls[0]], documents[urls[1]] = documents[urls[1]], documents[urls[0]]
    swapped = type(snapshot)(
        snapshot.version, documents, {}, frozenset(), snapshot.current, snapshot.root
    )
    with pytest.raises(TrustError):
        verify(world, swapped)


def test_an_older_file_under_a_newer_name(world):
    """Its signature is valid, but it is not what its name says."""
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    snapshot = load(world)
    older = snapshot.documents["/metadata/2.armani.json"]
    documents = {**snapshot.documents, "/metadata/3.armani.json": older}
    forged = type(snapshot)(
        snapshot.version, documents, {}, frozenset(), snapshot.current, snapshot.root
    )
    with pytest.raises(TrustError, match="is armani 2"):
        verify(world, forged)


def with_targets(world, snapshot, targets):
    """Return the snapshot with other bytes for version 2 of `targets`, signed up to the top."""
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


def test_delegation_keys_that_changed(world, monkeypatch):
    """A verified version is verified again if its role has other keys since."""
    snapshot = load(world)
    trusted = verify(world, snapshot)
    same = world.ceremony.targets(2)
    assert verify(world, with_targets(world, snapshot, same), trusted).versions["targets"] == 2
    monkeypatch.setitem(world.ceremony.keys, "armani", [CryptoSigner.generate_ed25519()])
    other = world.ceremony.targets(2)
    with pytest.raises(TrustError, match="armani 2 lacks the signatures"):
        verify(world, with_targets(world, snapshot, other), trusted)


def test_a_root_that_went_back(world):
    """Once a root is trusted, a tree with an older one is refused."""
    first = load(world)
    assert world.publish({("root", 2): world.ceremony.root(2)}).reason == ""
    trusted = verify(world, load(world))
    with pytest.raises(TrustError, match="root 2 is trusted"):
        verify(world, first, trusted)


def test_another_pinned_root(world):
    """A tree of another operator is not served."""
    other = type(world.ceremony)(world.ceremony.online, world.ceremony.now).root(1)
    with pytest.raises(TrustError):
        verify_snapshot(load(world), other, None)
