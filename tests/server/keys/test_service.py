"""A publisher without keys and a key process."""

import re
import shutil
from datetime import timedelta

import pytest

from server.publisher.errors import PublishError
from server.publisher.keys.holder import load_keys, open_keys
from server.publisher.keys.online_keys import create_online_keys
from server.publisher.publisher import Publisher
from server.publisher.rollout import plan_pause
from server.storage.errors import StorageError
from tests.server.keys.process import move_keys
from tests.server.log_invariant import check_log, check_metadata_is_logged
from tests.server.world import CHANNEL, FIRST, PACKAGE_1, PACKAGE_2, SECOND, refresh_from_disk


class Killed(BaseException):
    """Simulates the end of a process, as after `kill -9`."""


def offer(world, counter):
    """Offer a build to all devices."""
    return world.run(lambda publisher: publisher.change_pointers(world.offer(counter)))


def latest(world):
    """Return the public version of latest."""
    return world.published().roles["latest"].version


def pause(world):
    """Publish a pause with a new reason, and so a new version of latest."""

    def edit(published):
        reason = {"en": f"After {published.roles['latest'].version}."}
        pointer = published.pointers()[CHANNEL.pointer_path]
        return {CHANNEL.pointer_path: plan_pause(CHANNEL, pointer, reason, 2**40)}

    world.run(lambda publisher: publisher.change_pointers(edit))


def test_server_continues_after_moving_its_keys(apart):
    """A server whose keys are moved to a key process continues with the next versions."""
    world, process = apart
    before = world.published()
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    offer(world, 2)
    assert refresh_from_disk(world.folder, [SECOND])[1][SECOND] == PACKAGE_2
    assert world.published().timestamp.version == before.timestamp.version + 2
    assert latest(world) == before.roles["latest"].version + 1
    check_log(world.folder, world.keys.log_verifier.public)
    assert {path.name for path in process.record.iterdir()} == {
        *("root.json", "public", "pending", "signed.json", "log.json", "leaves", "lock")
    }


def test_bundles_wait_without_the_key_process(apart):
    """While the key process is away, bundles wait and the public state stays."""
    world, process = apart
    process.stop()
    bundle_id = world.submit(world.second_release(), [PACKAGE_2])
    with pytest.raises(StorageError, match="the key process does not answer at"):
        world.run(Publisher.process_incoming)
    assert not (world.folder.results / f"{bundle_id}.json").exists()
    process.start()
    world.run(Publisher.process_incoming)
    assert world.result(bundle_id).status == "published"


@pytest.mark.parametrize("kill_at", [1, 2])
def test_key_process_dies_before_its_answer(apart, kill_at):
    """If the key process dies after recording its answer, the publisher continues."""
    world, process = apart
    process.stop()
    before, calls = latest(world), []

    def kill():
        calls.append(1)
        if len(calls) == kill_at:
            raise Killed

    process.start(kill)
    with pytest.raises(StorageError, match="does not answer"):
        pause(world)
    process.stop()
    process.start()
    world.run(Publisher.repair)
    pause(world)
    # A version that was signed and not received is skipped; an accepted one was completed.
    assert latest(world) == before + 2
    skipped = world.folder.public / "metadata" / f"{before + 1}.latest.json"
    assert skipped.exists() == (kill_at == 2)
    leaves = check_log(world.folder, world.keys.log_verifier.public)
    check_metadata_is_logged(world.folder, leaves)
    assert refresh_from_disk(world.folder, [FIRST])[1][FIRST] == PACKAGE_1


def test_new_root_after_a_lost_checkpoint(apart):
    """The log is signed again under a new root, even if a checkpoint was lost."""
    world, process = apart
    process.stop()
    calls = []

    def kill():
        calls.append(1)
        if len(calls) == 2:
            raise Killed

    process.start(kill)
    files = {("root", 2): world.ceremony.root(2)}
    bundle_id = world.submit(files)
    world.run(Publisher.process_incoming)
    assert len(calls) == 2
    process.stop()
    process.start()
    world.run(Publisher.repair)
    world.run(Publisher.process_incoming)
    assert world.result(bundle_id).status == "published"
    assert world.published().root.version == 2
    check_metadata_is_logged(world.folder, check_log(world.folder, world.keys.log_verifier.public))


def test_earlier_clock_counts(apart):
    """Signatures have the earlier of both clocks' times.

    Both clocks must be ahead to date a signature ahead.
    """
    world, process = apart
    before = world.now()
    for publisher, own in ((10, 0), (0, 10), (10, 10)):
        process.ahead = timedelta(hours=own - publisher)
        world.ahead = timedelta(hours=publisher)
        pause(world)
        ahead = world.published().timestamp.expires - timedelta(days=1) - before
        assert (ahead > timedelta(hours=9)) == (publisher == own == 10)


def copied(world, folder):
    """Copy the state folder and return the copy."""
    shutil.copytree(world.folder.root, folder)
    return folder


def test_publisher_restored_from_an_older_copy(apart, tmp_path):
    """A publisher restored from an older copy is refused, and the errors say what to do.

    The missing leaves and role files are in the key process's record.
    """
    world, process = apart
    pause(world)
    older = copied(world, tmp_path / "older")
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    offer(world, 2)
    load_keys(world.folder)  # as the monitor does every half minute
    shutil.rmtree(world.folder.root)
    shutil.copytree(older, world.folder.root)
    with pytest.raises(StorageError, match=r"leaves was signed, and this one has .*rebuild"):
        pause(world)
    world.rebuild()
    with pytest.raises(PublishError, match=r"was public, .* the record of the key"):
        pause(world)
    shutil.copytree(process.record / "public", world.folder.public, dirs_exist_ok=True)
    pause(world)
    assert world.published().roles["armani"].version == 3
    version, found = refresh_from_disk(world.folder)
    assert (version, found) == (world.published().timestamp.version, {})
    check_metadata_is_logged(world.folder, check_log(world.folder, world.keys.log_verifier.public))


def test_accepted_publication_in_an_older_copy(apart, tmp_path):
    """An accepted publication in an older copy logs nothing, so that `rebuild` works."""
    world, _ = apart
    pause(world)
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    world.stop_after(3, lambda publisher: publisher.change_pointers(world.offer(2)))
    older = copied(world, tmp_path / "older")
    shutil.rmtree(world.folder.staging)
    pause(world)
    mirror = copied(world, tmp_path / "mirror")
    shutil.rmtree(world.folder.root)
    shutil.copytree(older, world.folder.root)
    with pytest.raises(StorageError, match="leaves was signed, and this one has"):
        world.run(Publisher.repair)
    shutil.rmtree(world.folder.public / "log")
    shutil.copytree(mirror / "public" / "log", world.folder.public / "log")
    world.rebuild()


def test_publisher_that_lost_its_state(apart):
    """A publisher that lost its state cannot begin anew with keys that have signed."""
    world, _ = apart
    pause(world)
    shutil.rmtree(world.folder.public)
    world.folder.sqlite.unlink()
    world.submit(world.first_roles())
    world.run(Publisher.process_incoming)
    assert "leaves was signed, and this one has 0: stop the server" in world.alarms[0]
    assert world.published() is None
    with pytest.raises(PublishError, match="something was published: restore the state folder"):
        open_keys(world.folder).create_next(["log"], afresh=False)


def test_record_restored_from_an_older_copy(apart, tmp_path):
    """An older record follows the newer public state, which its own keys signed."""
    world, process = apart
    pause(world)
    older = tmp_path / "older"
    shutil.copytree(process.record, older)
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    process.stop()
    shutil.rmtree(process.record)
    shutil.copytree(older, process.record)
    process.start()
    offer(world, 2)
    check_log(world.folder, world.keys.log_verifier.public)
    assert refresh_from_disk(world.folder, [SECOND])[1][SECOND] == PACKAGE_2


def test_publication_accepted_before_keys_were_moved(world, tmp_path):
    """A publication accepted before keys were moved is given up and made again."""
    bundle_id = world.submit(world.second_release(), [PACKAGE_2])
    world.stop_after(3, Publisher.process_incoming)
    process = move_keys(world, tmp_path / "apart")
    process.start()
    try:
        assert world.run(Publisher.repair) is None
        (sentence,) = world.alarms
        assert re.search(r"given up.*: .* leaf .* armani 3 .* belongs to no publication", sentence)
        world.run(Publisher.process_incoming)
    finally:
        process.stop()
    assert world.result(bundle_id).status == "published"
    check_metadata_is_logged(world.folder, check_log(world.folder, world.keys.log_verifier.public))


def test_lost_keys_and_record(apart):
    """New keys continue the log of lost ones, once a root names them."""
    world, process = apart
    pause(world)
    process.stop()
    shutil.rmtree(process.keys)
    shutil.rmtree(process.record)
    create_online_keys(process.keys, world.keys.log_verifier.name)
    process.start()
    keys = load_keys(world.folder)
    listed = {role: [signer.public_key] for role, signer in keys.signers.items()}
    files = {
        ("root", 2): world.ceremony.root(2, listed, keys.log_verifier),
        ("targets", 2): world.ceremony.targets(2, latest=listed["latest"]),
    }
    assert world.publish(files).reason == ""
    pause(world)
    check_metadata_is_logged(world.folder, check_log(world.folder, keys.log_verifier.public))
