"""Making and switching to next keys while a publisher is running."""

import asyncio
import json
from datetime import timedelta

import pytest

from server.core.checkpoint import decode_checkpoint
from server.core.errors import LogError, TrustError
from server.core.profile import log_verifier
from server.publisher.errors import PublishError
from server.publisher.keys.online_keys import HOLDERS, load_online_keys
from server.publisher.keys.rotation import make_next_keys, switch_keys
from server.publisher.publisher import Publisher
from server.storage.errors import StorageError
from tests.server.log_invariant import check_log, check_metadata_is_logged
from tests.server.world import FIRST, refresh_from_disk


def new(world, *names, **options):
    """Make next keys and return all keys."""
    world.run(lambda publisher: make_next_keys(publisher, world.folder, names, **options))
    return load_online_keys(world.folder.keys)


def switch(world, *names, **options):
    """Switch to next keys."""
    return world.run(
        lambda publisher: switch_keys(publisher, world.folder, names, world.now, **options)
    )


def publish_next(world, keys, version):
    """Publish a root that lists only the next keys of snapshot, timestamp and log."""
    online = {role: [signer.public_key] for role, signer in keys.next_signers.items()}
    online.pop("latest", None)
    log = keys.log_keys[-1].verifier
    return world.publish({("root", version): world.ceremony.root(version, online, log)}).reason


def signers(world, role):
    """Return the ids of the keys that signed the public version of a role."""
    published = world.published()
    versions = {**published.versions(), "snapshot": published.snapshot.version}
    name = "timestamp.json" if role == "timestamp" else f"{versions[role]}.{role}.json"
    data = json.loads((world.folder.public / "metadata" / name).read_bytes())
    return [signature["keyid"] for signature in data["signatures"]]


def test_next_keys_before_the_first_publication(fresh):
    """Before the first publication, next keys can be made, but not switched to."""
    keys = new(fresh, *HOLDERS)
    with pytest.raises(PublishError, match="nothing is published yet"):
        switch(fresh, "log")
    assert fresh.publish(fresh.first_roles()).reason == ""
    for key in keys.log_keys:
        assert check_log(fresh.folder, key.verifier.public)


def test_root_that_lists_only_next_keys(world):
    """When a root lists only next keys, they sign its publication.

    The running server started before the keys were made.
    """

    async def act():
        async with world.publisher() as running, world.publisher() as command:
            await make_next_keys(command, world.folder, ["snapshot", "timestamp"])
            keys = await asyncio.to_thread(load_online_keys, world.folder.keys)
            online = {role: [s.public_key] for role, s in keys.next_signers.items()}
            bundle_id = world.submit({("root", 2): world.ceremony.root(2, online)})
            await running.process_incoming()
            assert world.result(bundle_id).reason == ""
            world.ahead += timedelta(hours=2)
            assert await running.refresh() == "timestamp"
            return keys

    keys = asyncio.run(act())
    for role in ("snapshot", "timestamp"):
        assert signers(world, role) == [keys.next_signers[role].public_key.keyid]
    assert signers(world, "latest") == [keys.signers["latest"].public_key.keyid]
    assert refresh_from_disk(world.folder, [FIRST])[1][FIRST] is not None
    # Another next key would replace the one that signs.
    with pytest.raises(PublishError, match="run `hening-server keys switch snapshot`"):
        new(world, "snapshot")
    assert switch(world, "snapshot", "timestamp") == ["snapshot", "timestamp"]
    switched = load_online_keys(world.folder.keys)
    assert switched.next_signers == {}
    for role in ("snapshot", "timestamp"):
        assert signers(world, role) == [switched.signers[role].public_key.keyid]
        assert switched.signers[role].public_key == keys.next_signers[role].public_key
    assert new(world, "snapshot").next_signers.keys() == {"snapshot"}


def files_of(world):
    """Return every file of a state folder except those of the database."""
    files = {p: p.read_bytes() for p in world.folder.root.rglob("*") if p.is_file()}
    return {p: data for p, data in files.items() if not p.name.startswith("hening.sqlite")}


def test_afresh_discards_stolen_next_keys(world):
    """Next keys made afresh make stolen ones useless.

    The discarded log key no longer signs, and a root that lists the stolen keys is refused.
    """
    stolen = new(world, *HOLDERS)
    keys = new(world, *HOLDERS, afresh=True)
    for role, signer in stolen.next_signers.items():
        assert keys.next_signers[role].public_key != signer.public_key
        assert keys.signers[role].public_key == stolen.signers[role].public_key
    assert keys.log_keys[1].verifier != stolen.log_keys[1].verifier
    assert keys.log_verifier == stolen.log_verifier
    for key in keys.log_keys:
        check_metadata_is_logged(world.folder, check_log(world.folder, key.verifier.public))
    # The discarded key no longer signs the log, and a root that lists it is refused.
    note = (world.folder.public / "log" / "checkpoint").read_bytes()
    with pytest.raises(LogError, match="is not signed by"):
        decode_checkpoint(note, stolen.log_keys[1].verifier)
    assert "is not among those that root allows" in publish_next(world, stolen, 2)
    assert publish_next(world, keys, 2) == ""


def test_afresh_with_listed_next_keys(world):
    """A next key is replaced if the current key is listed, too, and kept if it is listed alone."""
    keys = new(world, "snapshot", "timestamp", "log")
    online = {
        "snapshot": [keys.signers["snapshot"].public_key, keys.next_signers["snapshot"].public_key],
        "timestamp": [keys.next_signers["timestamp"].public_key],
    }
    root = world.ceremony.root(2, online, keys.log_keys[1].verifier)
    assert world.publish({("root", 2): root}).reason == ""
    before = files_of(world)
    for names in (["timestamp"], ["log"], HOLDERS):
        with pytest.raises(PublishError, match="is listed alone and signs already"):
            new(world, *names, afresh=True)
    assert files_of(world) == before
    fresh = new(world, "snapshot", afresh=True)
    assert fresh.next_signers["snapshot"].public_key != keys.next_signers["snapshot"].public_key
    # First the command that the message names, then the refused one again.
    assert switch(world, "timestamp", "log", at_once=True) == ["timestamp", "log"]
    last = new(world, *HOLDERS, afresh=True)
    online = {role: [signer.public_key] for role, signer in last.next_signers.items()}
    files = {
        ("root", 3): world.ceremony.root(3, online, last.log_keys[1].verifier),
        ("targets", 2): world.ceremony.targets(2, latest=online["latest"]),
    }
    assert world.publish(files).reason == ""
    assert refresh_from_disk(world.folder, [FIRST])[1][FIRST] is not None


def test_switch_with_expired_targets(world):
    """A switch with expired targets is refused before any key file is changed."""
    keys = new(world, "snapshot", "timestamp")
    assert publish_next(world, keys, 2) == ""
    before = files_of(world)
    world.ahead = timedelta(days=91)
    with pytest.raises(TrustError, match="targets 1 expired on"):
        switch(world, "snapshot", "timestamp")
    assert files_of(world) == before


def test_signing_fails_after_the_switch(world, monkeypatch):
    """If signing fails after the switch, the error says so; a second run completes it."""
    keys = new(world, "snapshot", "timestamp")
    assert publish_next(world, keys, 2) == ""

    def fail(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("server.publisher.publication.staging.write_staged", fail)
        with pytest.raises(StorageError) as failed:
            switch(world, "snapshot", "timestamp")
    assert str(failed.value) == (
        "the key files are changed, but not everything is signed with them: [Errno 28] No space"
        " left on device; fix that, then run the same command again."
    )
    assert load_online_keys(world.folder.keys).next_signers == {}
    assert switch(world, "snapshot", "timestamp") == []
    with monkeypatch.context() as patch:
        patch.setattr("server.publisher.keys.holder.create_next_keys", fail)
        with pytest.raises(StorageError, match=r"not every key file is changed: \[Errno 28\]"):
            new(world, "snapshot")


def test_refused_switch_changes_no_file(world):
    """A refused switch changes neither key files nor public files."""
    new(world, *HOLDERS)
    before = files_of(world)
    for names in (["snapshot"], HOLDERS):
        with pytest.raises(PublishError, match="does not list the next key"):
            switch(world, *names, at_once=True)
    assert files_of(world) == before


def test_log_without_a_known_signature(world):
    """A log without a signature of a known key is not signed again."""
    keys = new(world, "log")
    head = world.folder.public / "log" / "checkpoint"
    data = head.read_bytes()
    head.write_bytes(data.partition(b"\n\n")[0] + b"\n\n\xe2\x80\x94 a AAAAAAAAAA==\n")
    with pytest.raises(PublishError, match=r"the key files are changed, but .* is not signed by"):
        world.run(lambda publisher: make_next_keys(publisher, world.folder, ["log"]))
    head.write_bytes(data)
    assert publish_next(world, keys, 2) == ""
    assert log_verifier(world.published().root) == keys.log_keys[1].verifier


def test_wrong_key_modes_do_not_refuse_bundles(world):
    """Key files with a wrong mode stop publishing, but bundles are not refused."""
    bundle_id = world.submit({("tables", 2): world.ceremony.role("tables", 2)})
    path = world.folder.keys / "latest.pem"
    path.chmod(0o644)
    with pytest.raises(TrustError, match="has mode 0644"):
        world.run(Publisher.process_incoming)
    assert not (world.folder.results / f"{bundle_id}.json").exists()
    path.chmod(0o600)
    world.run(Publisher.process_incoming)
    assert world.result(bundle_id).status == "published"
