"""Two machines, each with a key process that has the same keys and its own record."""

import dataclasses
import shutil

import pytest

from server.publisher.publisher import Publisher
from server.storage.errors import StorageError
from tests.server.keys.process import KeyProcess
from tests.server.publisher.test_machines import check, public_files
from tests.server.world import CHANNEL, halt

pytestmark = pytest.mark.needs("seaweed", "postgresql")


@pytest.fixture
def machines(machines, tmp_path):
    """Yield both machines with their key processes running."""
    for world in machines:
        world.process = KeyProcess(tmp_path / f"keys-{world.folder.root.name}", world)
        shutil.move(world.folder.keys, world.process.keys)
        world.folder = dataclasses.replace(world.folder, keys_socket=str(world.process.socket))
        world.process.start()
    one, two = machines
    one.run(Publisher.repair)
    two.tree.refresh(0)
    yield machines
    for world in machines:
        world.process.stop()


def change(world, text):
    """Halt the channel with a reason that no other change has."""
    world.run(lambda publisher: publisher.change_pointers(halt(text)))
    check(world)
    assert world.published().pointers()[CHANNEL.pointer_path].reason == {"en": text}


def test_key_processes_sign_alternately(machines):
    """Each key process learns from its publisher what the other one has signed."""
    one, two = machines
    for number, world in enumerate((two, one, two, two, one)):
        change(world, f"Reason {number}.")
    two.tree.refresh(0)
    assert public_files(two.folder) == public_files(one.folder)
    assert one.alarms == two.alarms == []


def test_crash_with_an_accepted_publication(machines):
    """After a crash with an accepted publication, the other machine gives it up and goes on."""
    one, two = machines
    one.stop_after(3, lambda publisher: publisher.change_pointers(halt("It drains.")))
    change(two, "It is hot.")
    (sentence,) = two.alarms
    assert "an accepted publication was given up" in sentence
    assert one.run(Publisher.repair) is None
    change(one, "It drains.")


def test_crash_with_an_unseen_log(machines):
    """A key process that signed an unseen log signs no second history.

    With a new record it continues from the public log.
    """
    one, two = machines
    one.objects.lost = ".p/" + str(len(list((one.folder.public / "log" / "proof").iterdir())) + 1)
    with pytest.raises(StorageError, match="does not answer"):
        change(one, "It drains.")
    one.objects.lost = ""
    change(two, "It is hot.")
    with pytest.raises(StorageError, match="are not of one history, and two are never signed"):
        change(one, "It drains.")
    change(two, "It is hot and drains.")
    one.process.stop()
    shutil.rmtree(one.process.record)
    one.process.start()
    change(one, "It drains.")
