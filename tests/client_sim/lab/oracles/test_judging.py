"""Silence proves nothing: a poll that sent nothing or got nothing is a finding."""

import pytest

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.oracles.judging import host_line, judge_completion, judge_far_end
from client_sim.lab.programme.examine import Run
from client_sim.lab.scenarios.driving import IDLE, run_scenario
from client_sim.lab.trace.entropy import Entropy
from client_sim.lab.trace.memory import MemoryWorld
from client_sim.persona import make_persona
from client_sim.world import Public, RunningBuild

OWNER = make_persona(1)


class Silent(ToyClient):
    """Polls nothing."""

    def poll(self):
        """Send nothing."""
        return "slept"


def test_a_client_that_sends_nothing_is_not_clean(make_world, public):
    """Each of the four polls is a finding."""
    seen = run_scenario(Silent, make_world(Run(OWNER, b"e", 0.0)), IDLE, OWNER)
    assert len(judge_completion(seen, public)) == 4


def test_a_server_that_answers_nothing_gives_no_clean_verdict(public):
    """A poll without an answer was not a whole one."""
    world = MemoryWorld(public, OWNER, entropy=Entropy(b"e"), start=0.0, respond=lambda _: b"")
    seen = run_scenario(ToyClient, world, IDLE, OWNER)
    assert len(judge_completion(seen, public)) == 4
    assert judge_far_end(seen) == ()


@pytest.mark.parametrize(
    ("port", "tls", "value"),
    [(80, False, b"a.b"), (443, True, b"a.b"), (443, False, b"a.b:443"), (80, True, b"a.b:80")],
)
def test_the_port_is_written_only_where_it_is_unusual(port, tls, value):
    """FORMATS section 9."""
    build = RunningBuild("", "", 0, 0, "")
    public = Public("a.b", port, tls, "", "", "", b"", b"", 0, build)
    assert host_line(public) == value
