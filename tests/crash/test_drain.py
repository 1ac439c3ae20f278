"""A drain is killed before each removal, and run again."""

import os
import shutil

from server.publisher.publisher import Publisher


def test_killed_before_each_removal(published_state, crash, tmp_path):
    """The served bytes never change, and the next run removes the rest."""
    base = published_state.copy(tmp_path / "base")
    pointers = base.published().pointers()

    async def renew(publisher):
        for _ in range(5):
            await publisher.change_pointers(lambda _published: {})
            await publisher.change_pointers(lambda _published: pointers)

    base.run(renew)
    for path in (base.folder.public / "metadata").iterdir():
        then = path.stat().st_mtime - 7200
        os.utime(path, (then, then))
    before, killed = base.snapshot(), 0
    for change in range(1, 50):
        world = base.copy(tmp_path / "killed")
        ended = crash(world, "drain", change=change)
        assert world.snapshot() == before
        world.run(Publisher.drain)
        assert world.snapshot() == before
        names = {path.name for path in (world.folder.public / "metadata").iterdir()}
        assert "1.latest.json" not in names
        shutil.rmtree(world.folder.root)
        if ended["status"] == 0:
            break
        assert ended["status"] == -9
        killed += 1
    assert killed >= 5
