"""Batteries over real sockets and real TLS."""

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.handshakes import MUTANTS
from client_sim.lab.mutants.library import find_mutant
from client_sim.lab.oracles.connections import judge_ends, judge_tls, judge_writes
from client_sim.lab.oracles.judging import judge_egress
from client_sim.lab.programme.batteries.sockets import network, sockets
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.setting import observe
from client_sim.lab.trace.observation import Channel
from tests.cases import case


def judged(battery, factory):
    """Run the first case; gives what was found, and all that was seen."""
    case = battery.make(0)
    seen = [observe(factory, setting) for setting in case.settings]
    alone = [finding for each in seen for finding in judge_tls(each, case.settings[0].public)]
    return [*case.judge(seen), *alone], seen


@pytest.mark.parametrize("factory", [ToyClient, PollingClient])
@pytest.mark.parametrize("make", [sockets, network])
def test_clean_phones_are_alike_on_every_way(make, factory):
    """Both ends of each socket carry the same, and a network sees one fleet."""
    found, seen = judged(make(plan_ground(factory, 0), 1), factory)
    assert found == []
    assert all(connection.data for each in seen for connection in each.connections())
    shown = {d.data for each in seen for d in each.departures if d.channel is Channel.TLS}
    assert len(shown) == 1


def test_what_leaks_below_http_is_found():
    """Sessions that come back, and handshakes that differ between owners or from the phone's.

    A session is called so by the rule for a handshake, from each phone's second connection on.
    """
    for mutant in MUTANTS:
        with case(mutant.id):
            found, seen = judged(network(plan_ground(ToyClient, 0), 1, mutant.dial), mutant.make)
            assert found
            named = [each for each in found if each.explanation.startswith("resumes is yes")]
            later = sum(len(each.connections()) - 1 for each in seen)
            assert mutant.family != "L47" or len(named) == later


@pytest.mark.parametrize(
    ("name", "judge", "field"),
    [("tls-two-records", judge_writes, "records"), ("tls-reset", judge_ends, "close")],
)
def test_what_all_phones_do_alike_below_http_is_found_by_the_table(name, judge, field):
    """No comparison shows it; a phone that does neither is accused of neither."""
    ground = plan_ground(ToyClient, 0)
    mutant = find_mutant(name)
    _, seen = judged(network(ground, 1, mutant.dial), mutant.make)
    assert {each.field for run in seen for each in judge(run)} == {field}
    _, seen = judged(network(ground, 1), ToyClient)
    assert not [each for run in seen for each in (*judge_writes(run), *judge_ends(run))]


def test_a_client_that_wants_tls_where_there_is_none_is_judged():
    """Its connections fail before they begin; the run has an observation all the same."""

    class Insisting(ToyClient):
        def server_name(self):
            return self.host()

    ground = plan_ground(ToyClient, 0)
    _, seen = judged(sockets(ground, 1), Insisting)
    assert all("TLS name" in judge_egress(each, ground.publics[0])[0].explanation for each in seen)
    assert [len(each.connections()) for each in seen] == [3] * len(seen)
    assert not any(connection.data for each in seen for connection in each.connections())
