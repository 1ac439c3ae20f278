"""A phone is killed at the disk operations of an update, from the first to the last.

The tests of the update engine interrupt every step in process, without a signal.
"""

import shutil

import pytest

from tests.client_sim.engine.streamed import snapshot
from tests.crash.forks import forking

KILLED = -9
# A phone is killed at every N-th step. N is prime, so that each kind of step is hit.
WAYS = [("full", False, 17), ("incremental", False, 11), ("full", True, 13)]


@pytest.fixture(scope="module")
def zygote(programs):
    """Yield a function that runs a job in a new process; returns its status and its steps."""
    with forking(programs.command("python"), "tests.crash.phone_zygote") as ask:
        yield lambda **job: tuple(ask(job).values())


@pytest.mark.parametrize(("package", "whole", "stride"), WAYS)
def test_killed_at_disk_operations(tmp_path, zygote, package, whole, stride):
    """A phone is killed before a write, sync, rename or removal, also after half of a write.

    When the phone starts again, it runs the old or the new build, byte for byte. After it has
    continued, its slots equal those of a phone that was not killed.
    """

    def do(phone, what, **more):
        return zygote(phone=str(phone), package=package, whole=whole, do=what, **more)

    template, alone = tmp_path / "template", tmp_path / "alone"
    assert do(template, "make") == (0, [])
    shutil.copytree(template, alone)
    status, steps = do(alone, "install", die=None)
    assert status == 0
    expected = snapshot(alone / "slots")
    kills = 0
    for last in range(0, len(steps), stride):
        phone = tmp_path / f"phone-{last}"
        shutil.copytree(template, phone)
        status, made = do(phone, "install", die=last)
        assert status == KILLED
        assert len(made) == last + 1
        kills += 1
        assert do(phone, "go on") == (0, [])
        assert snapshot(phone / "slots") == expected
        assert not snapshot(phone / "downloads")
        shutil.rmtree(phone)
    assert kills >= 12
