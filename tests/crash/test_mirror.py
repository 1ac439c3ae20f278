"""The first export of a mirror is killed with SIGKILL between changes of the disk.

`test_points` kills a later export at each change by its name.
"""

import shutil

from tests.server.publisher.mirror.mirrors import Folder, read
from tests.server.world import FIRST, PACKAGE_1


def test_first_export_killed(world, crash, tmp_path):
    """Without a timestamp clients find no repository; the next run completes the folder."""
    for change in range(1, 500, 17):
        copy = world.copy(tmp_path / "killed")
        ended = crash(copy, "export", change=change)
        mirror = Folder(copy.folder.root / "mirror")
        if ended["status"] == 0:
            break
        if mirror.get("metadata/timestamp.json") is not None:
            assert read(copy, mirror, [FIRST])[1] == [PACKAGE_1]
        mirror.export(copy)
        assert read(copy, mirror, [FIRST])[1] == [PACKAGE_1]
        shutil.rmtree(copy.folder.root)
    assert ended["status"] == 0
    assert change > 20
