"""Batteries about the machine, sockets and TLS; `test_found` has clients that reveal a machine."""

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
from client_sim.lab.programme.plan import PROFILES, make_batteries
from client_sim.lab.programme.setting import leave_unchanged, observe
from client_sim.lab.programme.shrink import shrink
from client_sim.lab.programme.testbed import plan_testbed
from client_sim.lab.trace.observation import Channel
from tests.cases import case


def test_phones_of_a_case_differ_only_in_their_machines():
    """Each phone of each case has its own."""
    battery = machine(plan_testbed(ToyClient, 0), 6)
    cases = [battery.make(number).settings for number in range(6)]
    assert len({setting.machine.host for case in cases for setting in case}) == 18
    for first, *others in cases:
        for other in others:
            assert (other.personal, other.entropy, other.scenario, other.start, other.public) == (
                *(first.personal, first.entropy, first.scenario, first.start, first.public),
            )


def test_runs_do_not_show_the_real_machine():
    """Each phone of a fleet, and each case of another battery, has a machine of its own."""
    testbed = plan_testbed(ToyClient, 0)
    hosts = set()

    class Noting(ToyClient):
        def poll(self):
            hosts.add(socket.gethostname())
            return super().poll()

    settings = [
        setting
        for oracle in ("fleet", "personal")
        for battery in make_batteries(testbed, PROFILES["mutant"].only([oracle]))
        for setting in battery.make(1).settings
    ]
    for setting in settings:
        observe(Noting, setting)
    assert hosts == {setting.machine.host for setting in settings}
    assert len(hosts) == 8 + 1


def test_last_machine_of_a_case_changes_after_each_poll():
    """Everything that the interpreter reports can change; the first machine does not change."""
    seen = []

    class Noting(ToyClient):
        def poll(self):
            room = shutil.disk_usage("/").free
            facts = (socket.gethostname(), os.getuid(), os.cpu_count(), os.getpid())
            moved = (time.timezone, os.environ["LANG"], Path("/proc/uptime").read_text())
            seen.append((room, *facts, *moved, datetime.now().astimezone().tzname()))
            return super().poll()

    def changing(place):
        """Count the facts that change between any two polls of 12 runs, and between all polls."""
        runs = []
        for number in range(0, 48, 4):
            seen.clear()
            setting = battery.make(number).settings[place]
            observe(Noting, replace(setting, adapt=leave_unchanged))
            facts = zip(*seen, strict=True)
            runs.append([{before != after for before, after in pairwise(f)} for f in facts])
        changes = [set().union(*of_runs) for of_runs in zip(*runs, strict=True)]
        return sum(True in each for each in changes), sum(each == {True} for each in changes)

    battery = machine(plan_testbed(ToyClient, 0), 48)
    assert changing(0) == (0, 0)
    assert changing(2) == (9, 1)


def test_shrink_names_the_leaked_facts_of_a_machine():
    """Also if the machine changed during the run."""
    for name, leaked in (
        ("host-in-seconds", {"host"}),
        ("zone-in-hours", {"environment"}),
        ("machine-id-in-seconds", {"files"}),
    ):
        with case(name, leaked):
            mutant = find_mutant(name)
            battery = machine(plan_testbed(mutant.make, 0), 1)
            small = shrink(mutant.make, battery.make(0))
            assert (set(small.machine), small.fields, small.steps) == (leaked, (), ("poll",))
    mutant = find_mutant("content-when-renamed")
    battery = machine(plan_testbed(mutant.make, 0), 48)
    quiet = map(battery.make, range(0, 48, 4))
    found = next(c for c in quiet if c.judge([observe(mutant.make, s) for s in c.settings]))
    assert set(shrink(mutant.make, found).machine) == {"host"}


def judge_first(battery, factory):
    """Run the first case; return its findings with those of the TLS guard, and the runs."""
    first = battery.make(0)
    seen = [observe(factory, setting) for setting in first.settings]
    guard = [finding for each in seen for finding in judge_tls(each, first.settings[0].public)]
    return [*first.judge(seen), *guard], seen


@pytest.mark.parametrize("factory", [ToyClient, PollingClient])
@pytest.mark.parametrize("make", [sockets, network])
def test_clean_phones_are_alike_over_sockets_and_tls(make, factory):
    """Both ends of each socket carry the same bytes, and all TLS handshakes are equal."""
    found, seen = judge_first(make(plan_testbed(factory, 0), 1), factory)
    assert found == []
    assert all(connection.data for each in seen for connection in each.connections())
    shown = {d.data for each in seen for d in each.departures if d.channel is Channel.TLS}
    assert len(shown) == 1


def test_leaks_in_tls_are_found():
    """Resumed sessions, and handshakes that differ between owners or from the phone's.

    Each phone of family L47 resumes a session from its second connection on.
    """
    testbed = plan_testbed(ToyClient, 0)
    for mutant in MUTANTS:
        with case(mutant.id):
            found, seen = judge_first(network(testbed, 1, mutant.dial), mutant.make)
            assert found
            named = [each for each in found if each.explanation.startswith("resumes is yes")]
            later = sum(len(each.connections()) - 1 for each in seen)
            assert mutant.family != "L47" or len(named) == later


@pytest.mark.parametrize(
    ("name", "judge", "field"),
    [("tls-two-records", judge_writes, "records"), ("tls-reset", judge_ends, "close")],
)
def test_leaks_that_all_phones_share_are_found_by_guards(name, judge, field):
    """A comparison of phones cannot show them; a clean phone has no finding."""
    testbed = plan_testbed(ToyClient, 0)
    mutant = find_mutant(name)
    _, seen = judge_first(network(testbed, 1, mutant.dial), mutant.make)
    assert {each.field for run in seen for each in judge(run)} == {field}
    _, seen = judge_first(network(testbed, 1), ToyClient)
    assert not [each for run in seen for each in (*judge_writes(run), *judge_ends(run))]


def test_client_that_expects_tls_without_tls():
    """Its connections fail before they begin, and the runs are judged."""

    class Insisting(ToyClient):
        def server_name(self):
            return self.host()

    testbed = plan_testbed(ToyClient, 0)
    _, seen = judge_first(sockets(testbed, 1), Insisting)
    assert all("TLS name" in judge_egress(each, testbed.publics[0])[0].explanation for each in seen)
    assert [len(each.connections()) for each in seen] == [3] * len(seen)
    assert not any(connection.data for each in seen for connection in each.connections())
