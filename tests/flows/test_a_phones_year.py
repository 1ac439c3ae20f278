"""A phone's year with real servers: offers, failures and recovery."""

import time

import pytest

from client_sim.device.conditions import Conditions, UpdateSettings, store_settings
from client_sim.device.errors import InstallError
from client_sim.device.reset import reset_phone
from client_sim.owner_events.events import EVERYDAY, KINDS_2014, Kind
from client_sim.owner_events.owner_simulator import OwnerSimulator
from client_sim.tape import Tape
from demo.phones import counter_of
from fixtures.catalogue import Build
from tests.flows.conftest import CHANNEL
from tests.flows.test_withdrawals import edit


def build(number):
    """Return build `number` of the stage's model."""
    return Build("armani", "id", number)


def apply_events(phone, *kinds):
    """Let events happen to a phone; the due time of its next poll does not change."""
    due = phone.phone.next_poll()
    owner = OwnerSimulator(phone.folder, phone.phone, Tape(len(kinds)), None)
    for kind in kinds:
        owner.apply_event(kind, int(time.time()))
    assert phone.phone.next_poll() == due


def failed_rule(outcome):
    """Return the name of the rule that blocks the update."""
    return next(check.name for check in outcome.checks if not check.passed)


def pause_and_first_update(stage, phone):
    """Begin a rollout with 0 %, pause and resume it; nothing is announced before."""
    assert failed_rule(phone.poll()) == "pointer"
    apply_events(phone, *KINDS_2014)
    stage.release(1)
    stage.rollout("offer", "--share", "0%")
    stage.rollout("pause", "--reason", "en=We look into a report.")
    outcome = phone.poll()
    assert failed_rule(outcome) == "share"
    assert "paused (We look into a report.)" in outcome.reason
    stage.rollout("set", "--share", "100%")
    waiting = phone.phone.install(conditions=Conditions(battery_percent=5))
    assert waiting.installed is None
    assert "an update needs 30 %" in waiting.reason
    assert phone.install() == build(1).incremental
    assert phone.package == "full"
    assert failed_rule(phone.poll()) == "newer"


def halt_during_installation(stage, phone):
    """Halt an incremental during its installation: it is not started."""
    apply_events(phone, *EVERYDAY, Kind.REBOOT)
    stage.release(2, source=1)
    stage.rollout("offer", "--share", "100%")

    def halt(sentence):
        if sentence.startswith("Checking the offer again"):
            stage.rollout("halt", "--reason", "en=It drains the battery.")

    with pytest.raises(InstallError, match="It drains the battery"):
        phone.phone.install(report=halt)
    phone.phone.reboot(is_healthy=lambda _build: True)
    assert phone.phone.running_build.incremental == build(1).incremental
    assert failed_rule(phone.poll()) == "halted"


def withdraw_during_download(stage, phone):
    """Remove an incremental during its download: the full package is taken, and fails to start."""
    apply_events(phone, Kind.TRAVELLED, Kind.SIM_INSERTED)
    # A permanently halted build is withdrawn. Otherwise the next build would require it as a
    # stepping stone.
    counter = str(counter_of(build(2)))
    assert '"published"' in edit(stage, "withdraw", CHANNEL, "--counter", counter)
    stage.release(3, source=1, min_counter=counter_of(build(1)))
    stage.rollout("offer", "--share", "100%")
    assert phone.poll().offer.type == "incremental"
    told = []

    def withdraw(sentence):
        if sentence.startswith("Fetching") and not told:
            told.append(sentence)
            step = f"{CHANNEL}/armani-3-incremental.zip"
            assert '"published"' in edit(stage, "withdraw", step)
        elif told:
            told.append(sentence)

    store_settings(phone.phone.state, UpdateSettings(asks=True))
    assert "waits until the owner agrees" in phone.phone.install(report=withdraw).reason
    assert told == []
    done = phone.phone.install(report=withdraw, is_agreed=True)
    assert (done.poll.offer.type, done.offer.type) == ("incremental", "full")
    assert "The server answered 410" in told[1]
    boot = phone.phone.reboot(is_healthy=lambda facts: facts.counter == counter_of(build(1)))
    assert boot.failed_build.incremental == build(3).incremental
    assert failed_rule(phone.poll()) == "failed"


def update_old_phone(phone):
    """Update a phone that was off since the factory: it takes the stepping stone first."""
    offer = phone.poll().offer
    assert (offer.counter, offer.final_counter) == (counter_of(build(1)), counter_of(build(3)))
    assert phone.install() == build(1).incremental
    assert phone.install() == build(3).incremental
    assert failed_rule(phone.poll()) == "newer"


def retry_and_reset(stage, phone):
    """Install the failed build again at the owner's request, with success; then reset the phone."""
    assert phone.phone.install(retry_failed=True).offer.type == "full"
    phone.phone.reboot(is_healthy=lambda _build: True)
    assert phone.phone.running_build.incremental == build(3).incremental
    assert len(phone.poll().requests) == 2
    secret = phone.phone.state["secret"]
    reset_phone(phone.folder)
    outcome = phone.poll()
    assert failed_rule(outcome) == "newer"
    assert outcome.requests == stage.phone("new", seed=3).poll().requests
    assert phone.phone.state["secret"] != secret
    assert phone.phone.floor == counter_of(build(3))


def test_a_phones_year(stage):
    """Pause, first update, halt at the switch, 410, failed boot, stepping stone, reset."""
    phone = stage.phone("year")
    pause_and_first_update(stage, phone)
    halt_during_installation(stage, phone)
    withdraw_during_download(stage, phone)
    update_old_phone(stage.phone("drawer", seed=2))
    retry_and_reset(stage, phone)
