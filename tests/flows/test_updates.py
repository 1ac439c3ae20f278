"""Updates by way of the command lines and real sockets, with the strict gate."""

from fixtures.catalogue import Build


def test_two_releases(stage):
    """The phone installs a full package, then an incremental; polls in between find no update."""
    phone = stage.phone("follower")
    assert "No build has been announced" in phone.poll().reason
    stage.release(1)
    stage.rollout("offer", "--share", "100%")
    assert phone.install() == Build("armani", "id", 1).incremental
    assert phone.package == "full"
    assert phone.poll().offer is None
    stage.release(2, source=1)
    stage.rollout("offer", "--share", "100%")
    assert phone.install() == Build("armani", "id", 2).incremental
    assert phone.package == "incremental"
    assert stage.server("check", "--state", stage.server_state, "--deep")
