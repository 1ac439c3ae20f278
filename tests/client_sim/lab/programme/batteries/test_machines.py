"""What a machine and real sockets show is compared and named.

Which clients tell their machine is in `test_found`.
"""

import os
import shutil
import socket
import time
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.handshakes import MUTANTS
from client_sim.lab.mutants.library import find_mutant
from client_sim.lab.oracles.connections import judge_ends, judge_tls, judge_writes
from client_sim.lab.oracles.judging import judge_egress
from client_sim.lab.programme.batteries.machines import machine, network, sockets
from client_sim.lab.programme.ground import plan_ground
from client_sim.lab.programme.plan import PROFILES, make_batteries
from client_sim.lab.programme.setting import keep, observe
from client_sim.lab.programme.shrink import shrink
from client_sim.lab.trace.observation import Channel
from tests.cases import case


def test_only_the_machines_of_a_case_differ():
    """Each of its phones has one of its own, and each case others."""
    battery = machine(plan_ground(ToyClient, 0), 6)
    cases = [battery.make(number).settings for number in range(6)]
    assert len({setting.machine.host for case in cases for setting in case}) == 18
    for first, *others in cases:
        for other in others:
            assert (other.personal, other.entropy, other.scenario, other.start, other.public) == (
                *(first.personal, first.entropy, first.scenario, first.start, first.public),
            )


def test_a_run_never_shows_the_machine_that_it_is_made_on():
    """The phones of a fleet have machines of their own, too, as have cases of any battery."""
    ground = plan_ground(ToyClient, 0)
    hosts = set()

    class Noting(ToyClient):
        def poll(self):
            hosts.add(socket.gethostname())
            return super().poll()

    settings = [
        setting
        for oracle in ("fleet", "personal")
        for battery in make_batteries(ground, PROFILES["mutant"].only([oracle]))
        for setting in battery.make(1).settings
    ]
    for setting in settings:
        observe(Noting, setting)
    assert hosts == {setting.machine.host for setting in settings}
    assert len(hosts) == 8 + 1


def test_the_last_machine_of_a_case_changes_behind_each_poll():
    """Whatever a client may ask the interpreter; the others stay as they are."""
    seen = []

    class Noting(ToyClient):
        def poll(self):
            room = shutil.disk_usage("/").free
            facts = (socket.gethostname(), os.getuid(), os.cpu_count(), os.getpid())
            moved = (time.timezone, os.environ["LANG"], Path("/proc/uptime").read_text())
            seen.append((room, *facts, *moved, datetime.now().astimezone().tzname()))
            return super().poll()

    def changing(place):
        """Count the facts that change in some polls of a dozen lives, and those in all."""
        lives = []
        for number in range(0, 48, 4):
            seen.clear()
            setting = battery.make(number).settings[place]
            observe(Noting, replace(setting, adapt=keep))
            lives.append(
                [
                    {before != after for before, after in pairwise(c)}
                    for c in zip(*seen, strict=True)
                ]
            )
        ever = [set().union(*of_lives) for of_lives in zip(*lives, strict=True)]
        return sum(True in each for each in ever), sum(each == {True} for each in ever)

    battery = machine(plan_ground(ToyClient, 0), 48)
    assert changing(0) == (0, 0)
    assert changing(2) == (9, 1)


def test_what_is_told_of_a_machine_is_named():
    """Of all in which machines differ, what still shows; where one changed, what it was."""
    for name, told in (
        ("host-in-seconds", {"host"}),
        ("zone-in-hours", {"environment"}),
        ("machine-id-in-seconds", {"files"}),
    ):
        with case(name, told):
            mutant = find_mutant(name)
            battery = machine(plan_ground(mutant.make, 0), 1)
            small = shrink(mutant.make, battery.make(0))
            assert (set(small.machine), small.fields, small.steps) == (told, (), ("poll",))
    mutant = find_mutant("content-when-renamed")
    battery = machine(plan_ground(mutant.make, 0), 48)
    quiet = map(battery.make, range(0, 48, 4))
    found = next(c for c in quiet if c.judge([observe(mutant.make, s) for s in c.settings]))
    assert set(shrink(mutant.make, found).machine) == {"host"}


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
