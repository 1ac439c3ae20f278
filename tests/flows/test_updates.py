"""Updates by way of the command lines and real sockets, with the strict gate."""

import pytest

from client_sim.device.errors import InstallError
from fixtures.catalogue import Build


def incremental(number):
    """Return the name of build `number`."""
    return Build("armani", "id", number).incremental


def test_two_releases(town):
    """The phone installs a full package, then an incremental; polls in between find no update."""
    phone = town.phone("follower")
    assert "No build has been announced" in phone.poll().reason
    town.release(1)
    town.rollout("offer", "--share", "100%")
    assert phone.install() == incremental(1)
    assert phone.package == "full"
    assert phone.poll().offer is None
    town.release(2, source=1)
    town.rollout("offer", "--share", "100%")
    assert phone.install() == incremental(2)
    assert phone.package == "incremental"
    assert town.server("check", "--state", town.server_state, "--deep")


def test_halt_during_download(town):
    """The phone polls once more before it switches slots, and sees the halt."""
    town.release(1)
    town.rollout("offer", "--share", "100%")
    phone = town.phone("stopped")

    def report(sentence):
        if sentence.startswith("Checking the offer again"):
            town.rollout("halt", "--reason", "en=It drains the battery.")

    with pytest.raises(InstallError, match="It drains the battery"):
        phone.phone.install(report=report)
    phone.phone.reboot(is_healthy=lambda _build: True)
    assert phone.phone.running_build.incremental == incremental(0)
    assert phone.poll().offer is None


def test_newer_release_after_halt(town):
    """The share of a halted release cannot be raised; offering the next release works."""
    town.release(1)
    town.rollout("offer", "--share", "100%")
    town.rollout("halt")
    town.rollout("halt")
    with pytest.raises(Exception, match="halted"):
        town.rollout("set", "--share", "100%")
    town.release(2)
    town.rollout("offer", "--share", "100%")
    assert town.phone("patient").install() == incremental(2)


def test_paused_rollout(town):
    """At 0 % no phone is admitted, nor while paused; setting the share resumes the rollout."""
    town.release(1)
    town.rollout("offer", "--share", "0%")
    phone = town.phone("waiting")
    assert "0 of 1000 phones" in phone.poll().reason
    town.rollout("pause", "--reason", "en=We look into a report.")
    assert "paused (We look into a report.)" in phone.poll().reason
    town.rollout("set", "--share", "100%")
    assert phone.install() == incremental(1)


def test_stepping_stone(town):
    """A release that the factory build must not install is reached through its predecessor."""
    town.release(1)
    stone = 3  # the counter of build 1 in region id
    town.release(2, min_counter=stone)
    town.rollout("offer", "--share", "100%")
    phone = town.phone("walker")
    assert phone.install() == incremental(1)
    assert phone.install() == incremental(2)
    assert "the newest" in phone.poll().reason
