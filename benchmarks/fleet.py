"""Measure the fleet simulator: polls a second of one core, a million phone-days, memory.

    python -m benchmarks.fleet [--seconds 10] [--devices 1000000] [--hours 24]

For the rates `hening-server run` is on core 0, and the phones of one worker are on core 1. For the
phone-days two workers, the server and the publisher share both cores. The peer, in the same run, is
the load of `benchmarks.device`, which polls the same server and verifies nothing.
"""

import argparse
import gc
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import msgspec

from benchmarks.device.cpu import tree
from benchmarks.device.load import closed
from benchmarks.device.load.spec import ClosedSpec
from benchmarks.device.wire import phone_request
from client_sim.fleet.decisions import Behaviour, Decider
from client_sim.fleet.driver import Driver
from client_sim.fleet.fleet import Plan, run_fleet
from client_sim.fleet.own_server import OwnServer
from client_sim.fleet.population import Draws, Habits, draw_phones
from client_sim.fleet.report import make_report
from client_sim.fleet.response_learner import record_idle_poll
from client_sim.fleet.survey import Survey, survey
from client_sim.fleet.target import Target, find_target
from client_sim.fleet.timer_wheel import TICKS
from client_sim.fleet.twins import Sample

MODELS = 10
PACKAGE = 65_536
SERVER_CORE, LOAD_CORE = 0, 1
TWIN_EVERY = 5_000  # one install in this many is repeated with the real update engine
WARM_UP_SECONDS = 1.0
DAY = 86_400
STAGES = ("1%=4h", "10%=6h", "50%=8h", "100%")
QUIET = Habits(current=1.0, flaky=0.0, skewed=0.0, fresh=0.0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="length per rate; 0: no rates")
    parser.add_argument("--phones", type=int, default=200_000, help="number for the rates")
    parser.add_argument("--devices", type=int, default=1_000_000, help="phones for phone-days")
    parser.add_argument("--hours", type=float, default=24.0, help="length of the phone-days")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        OwnServer(Path(folder) / "fleet", time.time) as server,
    ):
        server.publish(MODELS, PACKAGE)
        target = find_target(server.url, server.root, None, devices=1, may_leave=False, resolver={})
        previous = survey(target, time.time())
        server.roll_out(STAGES)
        seen = survey(target, time.time())
        if options.seconds:
            measure_core(server, target, seen, options.seconds, options.phones)
        for pid in tree(server.pid):
            os.sched_setaffinity(pid, {SERVER_CORE, LOAD_CORE})
        measure_days(server, target, previous, seen, options.devices, options.hours)


def measure_core(
    server: OwnServer, target: Target, seen: Survey, seconds: float, count: int
) -> None:
    """Print the rates of phones on one core with a server on the other one, and of the peer."""
    for pid in tree(server.pid):
        os.sched_setaffinity(pid, {SERVER_CORE})
    os.sched_setaffinity(0, {LOAD_CORE})
    paths = record_idle_poll(target, time.time())
    spec = ClosedSpec(
        port=target.port,
        seconds=seconds / 2,
        requests=[phone_request(target.port, path).decode() for path in paths],
        watch=list(tree(server.pid)),
    )
    peer = closed.run(msgspec.structs.replace(spec, keep=False))
    mine = _rate(target, seen, seconds, count, keep=False)
    _print("polls a second, a connection each", mine[0], 10_000)
    _compare(mine[0], mine[2], peer.rate)
    peer = closed.run(spec)
    mine = _rate(target, seen, seconds, count, keep=True)
    _print("requests a second, kept connections", mine[1], 80_000)
    _compare(mine[1], mine[2], peer.rate)
    os.sched_setaffinity(0, {SERVER_CORE, LOAD_CORE})


def measure_days(
    server: OwnServer, target: Target, previous: Survey, seen: Survey, devices: int, hours: float
) -> None:
    """Print how long it takes to simulate `devices` phones for `hours`, and their memory."""
    plan = Plan(
        devices=devices,
        seconds=hours * 3600,
        speed=20_000.0,
        workers=2,
        seed=1,
        habits=Habits(),
        connections=128,
        keep=False,
        download_every=10,
        twinning=server.twinning(TWIN_EVERY),
    )
    begun = time.perf_counter()
    outcome = run_fleet(plan, target, previous, seen, server.clock, time.time, lambda *_: None)
    took = time.perf_counter() - begun
    report = make_report(outcome, Sample())
    days = devices * hours / 24
    print(
        f"{days:,.0f} phone-days: {took:.1f} s, {report.polls:,} polls,"
        f" {report.polls_per_second:,.0f} a second, {report.server_failures} failed;"
        f" {report.switched:,} installs, {report.fetched:,} of them with their package"
    )
    tally = outcome.tally
    print(
        f"  {tally.twins:,} installs once more by the real engine, {tally.twins_installed:,} came"
        f" to the same build, {tally.twins_left_out:,} left out"
    )
    for told in (*report.mishaps, *tally.twin_refusals):
        print(f"  failed: {told}")
    _print("seconds of 1,000,000 phone-days", took / days * 1e6, 600, at_least=False)
    _print("bytes of a phone that sleeps", report.bytes_per_idle_phone, 1000, at_least=False)
    _print("bytes of a phone at the end", report.bytes_per_phone, 1000, at_least=False)


def _rate(
    target: Target, seen: Survey, seconds: float, count: int, *, keep: bool
) -> tuple[float, float, float]:
    """Return polls, requests and CPU seconds, each per second, of phones with the current state."""
    begin = time.time()
    draws = Draws(1, "bench")
    phones = draw_phones(count, seen.groups, QUIET, draws)
    behaviour = Behaviour(target.host_header, begin, DAY, keep=keep)
    decider = Decider(seen.groups, phones, 1, 0)
    driver = Driver(target, seen.groups, phones, behaviour, draws, decider)
    states = {holder: driver.learner.adopt(vault) for holder, vault in seen.vaults.items()}
    for phone in range(count):
        phones.state[phone] = states[seen.groups[phones.group[phone]].holder].index
    driver.schedule.place_phones()
    gc.collect()
    gc.freeze()
    gc.disable()
    tick = _advance(driver, 0, min(WARM_UP_SECONDS, seconds))
    # A phone computes its place in a rollout once per release, in its first poll; not measured.
    current = driver.learner.states[max(phones.state)]
    for phone in range(count):
        decider.decide(phone, current, begin)
    before = replace(driver.snapshot())
    begun, cpu = time.perf_counter(), time.process_time()
    _advance(driver, tick, seconds)
    took, cpu = time.perf_counter() - begun, time.process_time() - cpu
    gc.enable()
    gc.unfreeze()
    while driver.exchanges.under_way:
        driver.exchanges.process(0.1)
    if driver.tally.server_failures():
        raise RuntimeError(f"the server failed phones: {driver.tally.failures}")
    after = driver.snapshot()
    polls, requests = after.polls - before.polls, after.requests - before.requests
    return polls / took, requests / took, cpu / took


def _advance(driver: Driver, tick: int, seconds: float) -> int:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end and tick < DAY * TICKS:
        for _ in range(40):
            driver.advance(tick)
            tick += 1
    return tick


def _compare(mine: float, cores: float, peer: float) -> None:
    print(
        f"  {mine / cores:,.0f} a CPU second of the phones; the peer {peer:,.0f} a second,"
        f" ratio {mine / peer:.2f}"
    )


def _print(what: str, seen: float, goal: float, *, at_least: bool = True) -> None:
    holds = seen >= goal if at_least else seen <= goal
    sign = "≥" if at_least else "≤"
    print(f"{what}: {seen:,.0f} (goal {sign} {goal:,}: {'holds' if holds else 'missed'})")


if __name__ == "__main__":
    sys.exit(main())
