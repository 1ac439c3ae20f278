"""A process killed with SIGKILL at each named point; a restart completes the work by itself."""

import re

import pytest

from tests.crash.after import RESTARTS, check_folder, check_public_log, public_state
from tests.crash.points import RETURN, STORIES

POINTS = [(story, name) for story, (names, _) in STORIES.items() for name in names]


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


def test_there_are_enough():
    """At least thirty points."""
    assert len({name for _, name in POINTS}) >= 30


@pytest.mark.parametrize(("name", "point"), POINTS, ids=[": ".join(pair) for pair in POINTS])
def test_killed_at(stories, name, point, crash, tmp_path):
    """Phones see the old or the new state; nothing is lost; a restart completes the story."""
    story = stories(name)
    world = story.world.copy(tmp_path / "killed")
    story.mailbox.ids.clear()
    ended = crash(world, name, at=STORIES[name][0][point], **story.job)
    assert ended["status"] == -9
    assert public_state(world) in {story.old, story.new}
    if name != "rebuild":  # which begins without a database
        check_public_log(world)
    RESTARTS[name](world, story)
    assert public_state(world) == story.new
    check_public_log(world)
    check_folder(world)
