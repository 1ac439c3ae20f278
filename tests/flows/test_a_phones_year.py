"""A phone's year with real servers: offers, failures and recovery."""

import time

import pytest

from client_sim.device.conditions import Conditions, UpdateSettings
from client_sim.device.errors import InstallError
from client_sim.device.reset import reset_phone
from client_sim.device.update_settings import store_settings
from client_sim.owner_events.events import EVERYDAY, KINDS_2014, Kind
from client_sim.owner_events.living import Life
from client_sim.tape import Tape
from demo.phones import counter_of
from fixtures.catalogue import Build
from tests.flows.conftest import CHANNEL
from tests.flows.test_taken_back import edit


def build(number):
    """Return build `number` of the town's model."""
    return Build("armani", "id", number)


def live(demo_phone, *kinds):
    """Let events happen to a phone; the due time of its next poll does not change."""
    due = demo_phone.phone.next_poll()
    life = Life(demo_phone.folder, demo_phone.phone, Tape(len(kinds)), None)
    for kind in kinds:
        life.happen(kind, int(time.time()))
    assert demo_phone.phone.next_poll() == due


def failed_rule(outcome):
    """Return the name of the rule that blocks the update."""
    return next(check.name for check in outcome.checks if not check.passed)


def spring(town, demo_phone):
    """Nothing is announced yet; then a rollout begins with 0 %, is paused, and is resumed."""
    assert failed_rule(demo_phone.poll()) == "pointer"
    live(demo_phone, *KINDS_2014)
    town.release(1)
    town.rollout("offer", "--share", "0%")
    town.rollout("pause", "--reason", "en=We look into a report.")
    outcome = demo_phone.poll()
    assert failed_rule(outcome) == "share"
    assert "paused (We look into a report.)" in outcome.reason
    town.rollout("set", "--share", "100%")
    waiting = demo_phone.phone.install(conditions=Conditions(battery_percent=5))
    assert waiting.installed is None
    assert "an update needs 30 %" in waiting.reason
    assert demo_phone.install() == build(1).incremental
    assert demo_phone.package == "full"
    assert failed_rule(demo_phone.poll()) == "newer"


def summer(town, demo_phone):
    """Do not start an incremental that is halted during its installation."""
    live(demo_phone, *EVERYDAY, Kind.REBOOT)
    town.release(2, source=1)
    town.rollout("offer", "--share", "100%")

    def halt(sentence):
        if sentence.startswith("Looking once more"):
            town.rollout("halt", "--reason", "en=It drains the battery.")

    with pytest.raises(InstallError, match="It drains the battery"):
        demo_phone.phone.install(report=halt)
    assert demo_phone.phone.running_build.incremental == build(1).incremental
    assert failed_rule(demo_phone.poll()) == "halted"


def autumn(town, demo_phone):
    """Take the full package for an incremental removed during download; it fails to start."""
    live(demo_phone, Kind.TRAVELLED, Kind.SIM_INSERTED)
    # A permanently halted build is withdrawn; otherwise it would be a stepping stone of the next.
    counter = str(counter_of(build(2)))
    assert '"published"' in edit(town, "withdraw", CHANNEL, "--counter", counter)
    town.release(3, source=1, min_counter=counter_of(build(1)))
    town.rollout("offer", "--share", "100%")
    assert demo_phone.poll().offer.type == "incremental"
    told = []

    def withdraw(sentence):
        if sentence.startswith("Fetching") and not told:
            told.append(sentence)
            step = f"{CHANNEL}/armani-3-incremental.zip"
            assert '"published"' in edit(town, "withdraw", step)
        elif told:
            told.append(sentence)

    store_settings(demo_phone.phone.state, UpdateSettings(asks=True))
    assert "waits until the owner agrees" in demo_phone.phone.install(report=withdraw).reason
    assert told == []
    done = demo_phone.phone.install(report=withdraw, is_agreed=True)
    assert (done.poll.offer.type, done.offer.type) == ("incremental", "full")
    assert "The server answered 410" in told[1]
    boot = demo_phone.phone.reboot(is_healthy=lambda facts: facts.counter == counter_of(build(1)))
    assert boot.failed_build.incremental == build(3).incremental
    assert failed_rule(demo_phone.poll()) == "failed"


def drawer(late):
    """Bring a phone that was off since the factory over the stepping stone."""
    offer = late.poll().offer
    assert (offer.counter, offer.final_counter) == (counter_of(build(1)), counter_of(build(3)))
    assert late.install() == build(1).incremental
    assert late.install() == build(3).incremental
    assert failed_rule(late.poll()) == "newer"


def winter(town, demo_phone):
    """Try the build again on the owner's request, with success; then the phone changes hands."""
    assert demo_phone.phone.install(retry_failed=True).offer.type == "full"
    demo_phone.phone.reboot(is_healthy=lambda _build: True)
    assert demo_phone.phone.running_build.incremental == build(3).incremental
    assert len(demo_phone.poll().requests) == 2
    secret = demo_phone.phone.state["secret"]
    reset_phone(demo_phone.folder)
    outcome = demo_phone.poll()
    assert failed_rule(outcome) == "newer"
    assert outcome.requests == town.phone("new", seed=3).poll().requests
    assert demo_phone.phone.state["secret"] != secret
    assert demo_phone.phone.floor == counter_of(build(3))


def test_a_phones_year(town):
    """Pause, first update, halt at the switch, 410, failed boot, stepping stone, reset."""
    demo_phone = town.phone("year")
    spring(town, demo_phone)
    summer(town, demo_phone)
    autumn(town, demo_phone)
    drawer(town.phone("drawer", seed=2))
    winter(town, demo_phone)
