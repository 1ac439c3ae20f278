"""A phone that asks otherwise the second time in the same state is found."""

import pytest

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.oracles.stationarity import judge_stationarity
from client_sim.lab.scenarios.driving import IDLE, run_scenario
from client_sim.lab.servers.scripted import respond
from client_sim.lab.trace.entropy import Entropy
from client_sim.lab.trace.memory import MemoryWorld
from client_sim.persona import make_persona

OWNER = make_persona(1)


class Counter(ToyClient):
    """Says how often it has polled."""

    def headers(self):
        """Count in a header."""
        self.world.state["n"] = self.world.state.get("n", b"") + b"."
        return (*super().headers(), f"X-N: {len(self.world.state['n']) // 3}")


class Drip(ToyClient):
    """Asks for the root that the next digit of the serial number says."""

    def paths(self):
        """Take one digit per poll."""
        self.world.state["n"] = self.world.state.get("n", b"") + b"."
        digit = OWNER.imei[len(self.world.state["n"])]
        return (f"/metadata/{digit}.root.json", *super().paths()[1:])


class LateGuest(ToyClient):
    """Asks for a second name in its fourth poll."""

    def poll(self):
        """Ask in between."""
        self.world.state["n"] = self.world.state.get("n", b"") + b"."
        if len(self.world.state["n"]) == 4:
            self.world.resolve("stats.example")
        return super().poll()


class OneMore(ToyClient):
    """Asks once more in its last poll."""

    def poll(self):
        """Poll twice."""
        self.world.state["n"] = self.world.state.get("n", b"") + b"."
        if len(self.world.state["n"]) == 4:
            super().poll()
        return super().poll()


def judge(factory, public):
    """Run four polls in a quiet world."""
    world = MemoryWorld(public, OWNER, entropy=Entropy(b"e"), start=1e9, respond=respond)
    return judge_stationarity(run_scenario(factory, world, IDLE, OWNER))


def test_a_phone_that_repeats_itself_is_clean(public):
    """Four equal polls."""
    assert judge(ToyClient, public) == ()


@pytest.mark.parametrize(
    ("factory", "field", "polls"),
    [
        (Counter, "header X-N value", {"poll 2", "poll 3", "poll 4"}),
        (Drip, "path", None),
        (LateGuest, "names", {"poll 4"}),
        (OneMore, "names", {"poll 4"}),
    ],
)
def test_what_changes_is_named(factory, field, polls, public):
    """Field, poll, and both values."""
    found = judge(factory, public)
    assert {f.field for f in found} == {field}
    assert polls is None or {f.where.split(",")[0] for f in found} == polls
    assert all(f.octets != f.other for f in found)
