"""The real code runs for the first phone, and what it asked is the path of the others."""

from dataclasses import replace

from client_sim.fleet.answer_tree import ABSENT, End
from client_sim.fleet.lines import Lines
from client_sim.fleet.response_learner import ResponseLearner
from client_sim.fleet.tally import Failure
from tests.client_sim.device.repository_simulator import START, response
from tests.client_sim.fleet.conftest import GROUP

NOW = float(START)


def make_learner(town):
    """Return a learner that has polled for no phone."""
    return ResponseLearner(town.target, Lines(1).find)


def follow(place):
    """Return the requests of the only path from `place`, and its end."""
    asked = []
    while not isinstance(place, End):
        asked.append(place.line.data.split(b" ")[1].decode())
        (edge,) = place.answers.values()
        place = edge.following
    return asked, place


def test_a_lesson_becomes_a_path(town):
    """Its questions in their order; the 404 first, the timestamp with version and expiry."""
    learner = make_learner(town)
    assert learner.learn_poll(learner.fresh, GROUP, NOW) is None
    place = learner.fresh.polls["latest"]
    asked, end = follow(place)
    assert asked[:2] == ["/metadata/2.root.json", "/metadata/timestamp.json"]
    assert end.state is learner.states[1]
    (absent,) = place.answers.items()
    assert absent[0] == ABSENT
    (stamp,) = absent[1].following.answers.values()
    assert (stamp.version, stamp.expires) == (1, START + 86_400.0)


def test_another_timestamp_alone_is_no_other_state(town):
    """Who has polled before and after a renewal holds the same."""
    learner = make_learner(town)
    learner.learn_poll(learner.fresh, GROUP, NOW)
    town.repository.publish_timestamp()
    learner.learn_poll(learner.states[1], GROUP, NOW)
    assert len(learner.states) == 2
    assert learner.adopt(learner.states[1].vault) is learner.states[1]
    assert learner.lessons == 2


def test_what_the_real_code_refuses_is_a_path_that_ends_in_its_sentence(town):
    """So the next phone with that answer needs no lesson."""
    town.repository.overrides["/metadata/timestamp.json"] = response(b"200 OK", b"{}")
    learner = make_learner(town)
    assert learner.learn_poll(learner.fresh, GROUP, NOW) is None
    asked, end = follow(learner.fresh.polls["latest"])
    assert asked == ["/metadata/2.root.json", "/metadata/timestamp.json"]
    assert end.state is None
    assert end.fault


def test_no_answer_is_nothing_to_learn(town):
    """Why is said: nobody listens, or what came is no answer."""
    learner = ResponseLearner(replace(town.target, port=9), Lines(1).find)
    why, detail = learner.learn_poll(learner.fresh, GROUP, NOW)
    assert why is Failure.UNREACHABLE
    assert detail
    town.repository.overrides["/metadata/timestamp.json"] = response(b"500 Broken", b"")
    learner = make_learner(town)
    assert learner.learn_poll(learner.fresh, GROUP, NOW)[0] is Failure.HTTP
    assert not learner.fresh.polls
