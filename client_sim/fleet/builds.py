"""The build that a release makes a phone run."""

from client_sim.device.release import Release
from client_sim.world import RunningBuild


def build_of(release: Release) -> RunningBuild:
    """Return what a phone runs that has installed `release`."""
    return RunningBuild(
        fingerprint=release.fingerprint,
        incremental=release.incremental,
        counter=release.counter,
        post_timestamp=release.post_timestamp,
        security_patch_level=release.security_patch_level,
    )
