"""An export killed with SIGKILL between changes of the disk shows an old or a new mirror.

`test_points` kills it at each change by its name; this module reads the mirror as clients do.
"""

import shutil

from server.publisher.mirror import export_mirror
from server.storage.local_blobs import LocalBlobs
from tests.server.publisher.test_mirror import files, read
from tests.server.world import FIRST, PACKAGE_1, PACKAGE_2, SECOND


def test_killed_before_every_ninth_change_of_the_disk(world, crash, tmp_path):
    """Another TUF client reads it completely each time, and the next run completes the export."""
    mirror = world.folder.root / "mirror"
    export_mirror(world.folder, LocalBlobs(world.folder.blobs), mirror)
    old = world.published().timestamp.version
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    assert world.publish({("root", 2): world.ceremony.root(2)}).reason == ""
    new = world.published().timestamp.version
    whole = world.copy(tmp_path / "whole")
    assert crash(whole, "export")["status"] == 0
    expected = files(whole.folder.root / "mirror")
    seen = []
    for change in range(1, 500, 9):
        copy = world.copy(tmp_path / "killed")
        ended = crash(copy, "export", change=change)
        out = copy.folder.root / "mirror"
        version, found = read(copy, out, [FIRST])
        assert found == [PACKAGE_1]
        seen.append(version)
        if version == new:
            assert read(copy, out, [SECOND]) == (new, [PACKAGE_2])
        if ended["status"] == 0:
            break
        export_mirror(copy.folder, LocalBlobs(copy.folder.blobs), out)
        assert files(out).items() >= expected.items()
        assert list(out.rglob(".tmp-*")) == []
        shutil.rmtree(copy.folder.root)
    assert (seen[0], seen[-1]) == (old, new)
    assert seen == sorted(seen)
    assert len(seen) > 3
    assert read(copy, out, [FIRST, SECOND]) == (new, [PACKAGE_1, PACKAGE_2])


def test_a_first_export_that_is_killed(world, crash, tmp_path):
    """Without a timestamp the mirror is empty to clients; the next run completes the folder."""
    for change in range(1, 500, 17):
        copy = world.copy(tmp_path / "killed")
        ended = crash(copy, "export", change=change)
        out = copy.folder.root / "mirror"
        if ended["status"] == 0:
            break
        if (out / "metadata/timestamp.json").exists():
            assert read(copy, out, [FIRST])[1] == [PACKAGE_1]
        export_mirror(copy.folder, LocalBlobs(copy.folder.blobs), out)
        assert read(copy, out, [FIRST])[1] == [PACKAGE_1]
        shutil.rmtree(copy.folder.root)
    assert ended["status"] == 0
    assert change > 20
