"""The real code polls for the first phone, and the others follow its path."""

from dataclasses import replace

from client_sim.fleet.answer_tree import ABSENT, End
from client_sim.fleet.lines import Lines
from client_sim.fleet.response_learner import ResponseLearner
from client_sim.fleet.tally import Failure
from tests.client_sim.device.repository_simulator import START, response
from tests.client_sim.fleet.conftest import GROUP

NOW = float(START)


def make_learner(served):
    """Return a learner that has polled for no phone."""
    return ResponseLearner(served.target, Lines(1).find)


def follow(place):
    """Return the requests of the only path from `place`, and its end."""
    asked = []
    while not isinstance(place, End):
        asked.append(place.line.data.split(b" ")[1].decode())
        (edge,) = place.answers.values()
        place = edge.following
    return asked, place


def test_a_lesson_becomes_a_path(served):
    """The path has the requests in order, and version and expiry of the timestamp."""
    learner = make_learner(served)
    assert learner.learn_poll(learner.fresh, GROUP, NOW) is None
    place = learner.fresh.polls["latest"]
    asked, end = follow(place)
    assert asked[:2] == ["/metadata/2.root.json", "/metadata/timestamp.json"]
    assert end.state is learner.states[1]
    (absent,) = place.answers.items()
    assert absent[0] == ABSENT
    (stamp,) = absent[1].following.answers.values()
    assert (stamp.version, stamp.expires) == (1, START + 86_400.0)


def test_another_timestamp_alone_is_no_other_state(served):
    """Phones that polled before and after a renewal have the same state."""
    learner = make_learner(served)
    learner.learn_poll(learner.fresh, GROUP, NOW)
    served.repository.publish_timestamp()
    learner.learn_poll(learner.states[1], GROUP, NOW)
    assert len(learner.states) == 2
    assert learner.adopt(learner.states[1].vault) is learner.states[1]
    assert learner.lessons == 2


def test_refusal_becomes_a_path(served):
    """The next phone with that answer needs no lesson."""
    served.repository.overrides["/metadata/timestamp.json"] = response(b"200 OK", b"{}")
    learner = make_learner(served)
    assert learner.learn_poll(learner.fresh, GROUP, NOW) is None
    asked, end = follow(learner.fresh.polls["latest"])
    assert asked == ["/metadata/2.root.json", "/metadata/timestamp.json"]
    assert end.state is None
    assert end.fault


def test_no_path_without_an_answer(served):
    """The cause is returned if no server listens, or if the answer is an error."""
    learner = ResponseLearner(replace(served.target, port=9), Lines(1).find)
    why, detail = learner.learn_poll(learner.fresh, GROUP, NOW)
    assert why is Failure.UNREACHABLE
    assert detail
    served.repository.overrides["/metadata/timestamp.json"] = response(b"500 Broken", b"")
    learner = make_learner(served)
    assert learner.learn_poll(learner.fresh, GROUP, NOW)[0] is Failure.HTTP
    assert not learner.fresh.polls
