"""Public files are parsed only once."""

import pytest

from server.core.errors import FormatError
from server.publisher.published import PublicTree, load_published
from tests.server.world import PACKAGE_2


def test_unchanged_roles_are_not_parsed_again(world):
    """Unchanged roles are the same objects after a reload.

    A replaced file of the same version, as after a restore, is parsed again.
    """
    tree = PublicTree(world.folder.public)
    before = tree.load()
    kept = {name: before.roles[name] for name in before.roles}
    pointers = before.pointers()
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    after = tree.load()
    assert {name for name in kept if after.roles[name] is not kept[name]} == {"armani"}
    assert after.roles["armani"].version == 3
    assert after.targets is before.targets
    assert list(after.pointers().values()) == list(pointers.values())
    assert after.roles == load_published(world.folder.public).roles
    assert after.versions() == {**before.versions(), "armani": 3}
    path = world.folder.public / "metadata/3.armani.json"
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)
    exchanged = tree.load().roles["armani"]
    assert (exchanged == after.roles["armani"], exchanged is after.roles["armani"]) == (True, False)


def test_linked_role_is_refused(world):
    """A role file that is a symbolic link is refused."""
    path = world.folder.public / "metadata/1.cancro.json"
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")
    with pytest.raises(FormatError, match="not a regular file"):
        load_published(world.folder.public)
