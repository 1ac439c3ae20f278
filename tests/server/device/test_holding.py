"""Only files that are as signed are served, superseded or not."""

import asyncio
from dataclasses import replace

import pytest

from server.core.metadata import decode_snapshot
from server.device.documents import make_document
from server.device.integrity import find_altered, leave_out, verify_snapshot
from server.device.snapshot import EMPTY, load_snapshot
from server.publisher.online_keys import create_next_keys, create_online_keys, load_online_keys
from server.storage.local_blobs import LocalBlobs
from tests.server.ceremony import Ceremony
from tests.server.world import ORIGIN, PACKAGE_2, open_log


@pytest.fixture(scope="module")
def rich(published_state, tmp_path_factory):
    """Give a state with superseded versions of each kind; do not change it."""
    world = published_state.copy(tmp_path_factory.mktemp("rich") / "state")
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    assert world.publish({("root", 2): world.ceremony.root(2)}).reason == ""
    assert world.publish({("root", 3): world.ceremony.root(3)}).reason == ""
    return world


def load(world, previous=EMPTY):
    """Load the public state."""
    return load_snapshot(world.folder.public, LocalBlobs(world.folder.blobs), previous)


def find(world, snapshot, previous=EMPTY):
    """Verify, and return the paths that fail."""
    trusted = verify_snapshot(snapshot, world.folder.trusted_root.read_bytes(), None)
    return find_altered(snapshot, previous, trusted)


def replaced(snapshot, url, change):
    """Return the snapshot with one file of other bytes."""
    body = change(snapshot.documents[url].identity.body)
    document = make_document(url, body, mutable=False)
    return replace(snapshot, documents={**snapshot.documents, url: document})


def test_what_was_published_holds(rich):
    """All files pass, of each kind at least one."""
    snapshot = load(rich)
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


def turn(body):
    """Turn one bit in the middle."""
    at = len(body) // 2
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


@pytest.mark.parametrize("url", ALTERED)
@pytest.mark.parametrize("change", [turn, lambda _body: b"", lambda body: body[:-1]])
def test_what_was_altered(rich, url, change):
    """It is found, in the first snapshot and in a later one, with its dependents alone."""
    snapshot = load(rich)
    altered = replaced(snapshot, url, change)
    assert find(rich, altered) == ALTERED[url]
    assert find(rich, altered, snapshot) == ALTERED[url]
    left = leave_out(altered, frozenset(ALTERED[url]))
    assert snapshot.documents.keys() - left.documents.keys() == ALTERED[url]
    assert find(rich, left) <= {"/metadata/2.armani.json"}
    again = load(rich, left)
    assert again.documents.keys() == snapshot.documents.keys()
    assert find(rich, again, left) == frozenset()
    kept = {url for role in left.roles.values() for url in role.documents}
    assert not (kept | left.log.documents.keys()) & ALTERED[url]


def test_what_was_exchanged(rich):
    """A signed file under another's name fails."""
    snapshot = load(rich)
    for url, other in (
        ("/metadata/1.snapshot.json", "/metadata/2.snapshot.json"),
        ("/metadata/2.armani.json", "/metadata/1.armani.json"),
        ("/log/proof/armani.3", "/log/proof/armani.2"),
    ):
        body = snapshot.documents[other].identity.body
        assert find(rich, replaced(snapshot, url, lambda _body, body=body: body)) == {url}


def test_proofs_of_versions_that_are_not_served(rich):
    """They are compared with the log's entries, and these are verified with the log's key."""
    snapshot = leave_out(load(rich), frozenset({"/metadata/2.armani.json"}))
    proof = "/log/proof/armani.2"
    assert proof in snapshot.documents
    assert find(rich, snapshot) == frozenset()
    assert find(rich, replaced(snapshot, proof, turn)) == {proof}
    other = snapshot.documents["/log/proof/armani.3"].identity.body
    assert find(rich, replaced(snapshot, proof, lambda _body: other)) == {proof}
    tile = f"/log/tile/entries/000.p/{snapshot.log.size}"
    for broken in (b"", snapshot.documents[tile].identity.body.replace(b"armani", b"armano")):
        assert find(rich, replaced(snapshot, tile, lambda _body, body=broken: body)) == {proof}


def test_a_log_that_is_signed_by_the_next_key_as_well(world):
    """Partly or completely signed again: what was published passes."""
    snapshot = load(world)
    create_next_keys(world.folder.keys, ["log"])
    keys = load_online_keys(world.folder.keys).log_keys

    async def restate():
        async with open_log(world.folder) as log:
            await log.restate(keys, ())

    asyncio.run(restate())
    again = load(world, snapshot)
    assert again.documents["/log/proof/armani.2"] != snapshot.documents["/log/proof/armani.2"]
    assert find(world, again, snapshot) == frozenset()
    assert find(world, again) == frozenset()


def test_a_forged_root_that_names_a_key(rich, tmp_path):
    """A root that fails verification gives no key to superseded snapshots."""
    create_online_keys(tmp_path / "keys", ORIGIN)
    keys = load_online_keys(tmp_path / "keys")
    stranger = Ceremony(keys, rich.now())
    url, root = "/metadata/1.snapshot.json", "/metadata/1.root.json"
    snapshot = replaced(load(rich), root, lambda _body: stranger.root())
    signed = decode_snapshot(snapshot.documents[url].identity.body).signed
    forged = stranger.sign("snapshot", signed, [keys.signers["snapshot"]])
    assert find(rich, replaced(snapshot, url, lambda _body: forged)) == {root, url}
