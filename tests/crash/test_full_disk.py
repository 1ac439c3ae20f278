"""A disk that is full from a named point on: one error message, and no partial state is visible."""

import json
import re
import shutil

import pytest

from server.storage.room import Room
from tests.crash.after import RESTARTS, check_folder, check_public_log, public_state
from tests.crash.points import STORIES

#: The points before a step that needs disk space: a new file, a commit. Garbage collection needs
#: none, and a webhook waits as for any other failure.
POINTS = [
    (story, name)
    for story, (names, _) in STORIES.items()
    for name, change in names.items()
    if story not in {"garbage", "webhook"} and re.match("create|commit ", change)
]


@pytest.mark.needs("small-disk")
@pytest.mark.parametrize(("name", "point"), POINTS, ids=[": ".join(pair) for pair in POINTS])
def test_full_from(stories, name, point, crash, small_disk):
    """Phones see the old or the new state, one message gives the reason, a retry succeeds."""
    story = stories(name)
    world = story.world.copy(small_disk / "state")
    world.room = Room(keep_free=0)  # otherwise it would be refused before the disk is full
    ballast = small_disk / "ballast"
    try:
        ended = crash(world, name, at=STORIES[name][0][point], fill=str(ballast), **story.job)
        assert ended["status"] == 0
        sentences = [json.loads(text[2:]) for text in ended["points"] if text.startswith("! ")]
        assert len(sentences) == 1
        assert "\n" not in sentences[0]
        assert re.search("no room|No space left|disk is full|has room", sentences[0]), sentences
        assert public_state(world) in {story.old, story.new}
        ballast.unlink()
        if name != "rebuild":  # which begins without a database
            check_public_log(world)
        RESTARTS[name](world, story)
        assert public_state(world) == story.new
        check_public_log(world)
        check_folder(world)
    finally:
        ballast.unlink(missing_ok=True)
        shutil.rmtree(world.folder.root)
