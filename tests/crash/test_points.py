"""A process is killed with SIGKILL at each named point, or meets a full disk where it needs space.

A restart completes the work by itself.
"""

import json
import re
import shutil

import pytest

from server.storage.room import Room
from tests.crash.after import RESTARTS, check_folder, check_public_log, public_state
from tests.crash.points import RETURN, STORIES

POINTS = [(story, name) for story, (names, _) in STORIES.items() for name in names]
#: The points before a new file or a commit. Garbage collection needs no space, and a webhook
#: retries as after any other failure.
NEED_SPACE = [
    (story, name)
    for story, name in POINTS
    if story not in {"garbage", "webhook"} and re.match("create|commit ", STORIES[story][0][name])
]


@pytest.mark.parametrize("name", STORIES)
def test_every_change_has_one_name(stories, name):
    """Every durable change of a story has a name, and every name has a change."""
    killed, further = STORIES[name]
    names = {**further, **killed}
    found = {}
    for change in stories(name).changes:
        matching = [each for each, text in names.items() if re.fullmatch(text, change)]
        assert len(matching) == 1, change
        found[matching[0]] = change
    assert killed.keys() <= found.keys()
    is_commit = change.startswith("committed")
    assert not is_commit or matching[0] in {*killed, *RETURN}, "no other change follows"


def test_number_of_points():
    """There are at least thirty points."""
    assert len({name for _, name in POINTS}) >= 30


@pytest.mark.parametrize(("name", "point"), POINTS, ids=[": ".join(pair) for pair in POINTS])
def test_killed_at(stories, name, point, crash, tmp_path):
    """Phones see the old or the new state; nothing is lost; a restart completes the story."""
    story = stories(name)
    world = story.world.copy(tmp_path / "killed")
    story.receiver.ids.clear()
    ended = crash(world, name, at=STORIES[name][0][point], **story.job)
    assert ended["status"] == -9
    check_restart(world, name, story)


@pytest.mark.needs("small-disk")
@pytest.mark.parametrize(
    ("name", "point"), NEED_SPACE, ids=[": ".join(pair) for pair in NEED_SPACE]
)
def test_disk_full_at(stories, name, point, crash, small_disk):
    """Phones see the old or the new state, one message gives the reason, a retry succeeds."""
    story = stories(name)
    world = story.world.copy(small_disk / "state")
    world.room = Room(keep_free=0)  # otherwise the check of free space would refuse first
    ballast = small_disk / "ballast"
    try:
        ended = crash(world, name, at=STORIES[name][0][point], fill=str(ballast), **story.job)
        assert ended["status"] == 0
        sentences = [json.loads(text[2:]) for text in ended["points"] if text.startswith("! ")]
        assert len(sentences) == 1
        assert "\n" not in sentences[0]
        assert re.search("no room|No space left|disk is full|has room", sentences[0]), sentences
        ballast.unlink()
        check_restart(world, name, story)
    finally:
        ballast.unlink(missing_ok=True)
        shutil.rmtree(world.folder.root)


def check_restart(world, name, story):
    """Check what phones see, and that a restarted process then completes the story."""
    assert public_state(world) in {story.old, story.new}
    if name != "rebuild":  # the story begins without a database
        check_public_log(world)
    RESTARTS[name](world, story)
    assert public_state(world) == story.new
    check_public_log(world)
    check_folder(world)
