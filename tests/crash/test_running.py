"""The real server is killed with SIGKILL while it publishes repeatedly."""

import contextlib
import os
import time
from pathlib import Path

from tests.crash.after import check_public_log
from tests.patience import until
from tests.server.device.served import Served, request
from tests.server.world import FIRST, PACKAGE_1, refresh_from_disk


@contextlib.contextmanager
def running(programs, world):
    """Run `hening-server run` until the block ends, then kill it."""
    words = ("run", "--state", world.folder.root, "--port", "0")
    with (
        Path(os.devnull).open("wb") as output,
        programs.start("hening-server", *words, output=output) as server,
    ):
        try:
            yield Served(int(server.stdout.readline().rpartition(":")[2]), None, None)
        finally:
            server.kill()


def test_killed_while_publishing(programs, world):
    """Each time the public state verifies, is served right after a restart, and can be extended."""
    version = 1
    for delay in (0.03, 0.15):
        with running(programs, world) as served:
            ids = []
            for _ in range(4):
                version += 1
                role = world.ceremony.role("tables", version)
                ids.append(world.submit({("tables", version): role}))
            until((world.folder.results / f"{ids[0]}.json").exists)
            time.sleep(delay)
        _, found = refresh_from_disk(world.folder, [FIRST])
        assert found[FIRST] == PACKAGE_1
        public = world.published().timestamp.version
        with running(programs, world) as served:
            answer = served.ask(request("/metadata/timestamp.json"))
            assert answer.status == 200
            answers = [world.folder.results / f"{name}.json" for name in ids]
            until(lambda answers=answers: all(each.exists() for each in answers))
        assert world.published().timestamp.version >= public
        assert {world.result(name).status for name in ids} == {"published"}
    assert world.published().roles["tables"].version == version
    check_public_log(world)
