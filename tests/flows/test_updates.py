"""Updates by way of the command lines and real sockets, with the strict gate."""

import pytest

from client_sim.device.errors import InstallError
from fixtures.catalogue import Build


def incremental(number):
    """Return the name of build `number`."""
    return Build("armani", "id", number).incremental


def test_two_releases(stage):
    """The phone installs a full package, then an incremental; polls in between find no update."""
    phone = stage.phone("follower")
    assert "No build has been announced" in phone.poll().reason
    stage.release(1)
    stage.rollout("offer", "--share", "100%")
    assert phone.install() == incremental(1)
    assert phone.package == "full"
    assert phone.poll().offer is None
    stage.release(2, source=1)
    stage.rollout("offer", "--share", "100%")
    assert phone.install() == incremental(2)
    assert phone.package == "incremental"
    assert stage.server("check", "--state", stage.server_state, "--deep")


def test_halt_during_download(stage):
    """The phone polls once more before it switches slots, and sees the halt."""
    stage.release(1)
    stage.rollout("offer", "--share", "100%")
    phone = stage.phone("stopped")

    def report(sentence):
        if sentence.startswith("Checking the offer again"):
            stage.rollout("halt", "--reason", "en=It drains the battery.")

    with pytest.raises(InstallError, match="It drains the battery"):
        phone.phone.install(report=report)
    phone.phone.reboot(is_healthy=lambda _build: True)
    assert phone.phone.running_build.incremental == incremental(0)
    assert phone.poll().offer is None


def test_newer_release_after_halt(stage):
    """The share of a halted release cannot be raised; offering the next release works."""
    stage.release(1)
    stage.rollout("offer", "--share", "100%")
    stage.rollout("halt")
    stage.rollout("halt")
    with pytest.raises(Exception, match="halted"):
        stage.rollout("set", "--share", "100%")
    stage.release(2)
    stage.rollout("offer", "--share", "100%")
    assert stage.phone("patient").install() == incremental(2)


def test_paused_rollout(stage):
    """At 0 % no phone is admitted, nor while paused; setting the share resumes the rollout."""
    stage.release(1)
    stage.rollout("offer", "--share", "0%")
    phone = stage.phone("waiting")
    assert "0 of 1000 phones" in phone.poll().reason
    stage.rollout("pause", "--reason", "en=We look into a report.")
    assert "paused (We look into a report.)" in phone.poll().reason
    stage.rollout("set", "--share", "100%")
    assert phone.install() == incremental(1)


def test_stepping_stone(stage):
    """A release that the factory build must not install is reached through its predecessor."""
    stage.release(1)
    stone = 3  # the counter of build 1 in region id
    stage.release(2, min_counter=stone)
    stage.rollout("offer", "--share", "100%")
    phone = stage.phone("walker")
    assert phone.install() == incremental(1)
    assert phone.install() == incremental(2)
    assert "the newest" in phone.poll().reason
