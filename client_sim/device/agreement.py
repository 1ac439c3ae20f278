"""Checks that the maintainers of the model signed what the online pointer offers."""

from dataclasses import dataclass

from client_sim.device.choose import Offer
from client_sim.device.errors import AgreementError
from client_sim.device.release import Release


@dataclass(frozen=True, slots=True)
class SignedTarget:
    """A target as its codename role lists it: length in bytes, sha256, and its release."""

    length: int
    sha256: str
    release: Release


def check_agreement(offer: Offer, target: SignedTarget) -> None:
    """Check that pointer and codename role agree about a package (FORMATS section 4).

    Raises AgreementError, also if the release was withdrawn.
    """
    release = target.release
    for what, offered, signed in (
        ("path", offer.path, release.path),
        ("length", offer.length, target.length),
        ("sha256", offer.sha256, target.sha256),
        ("counter", offer.counter, release.counter),
        ("post-timestamp", offer.post_timestamp, release.post_timestamp),
        ("security patch level", offer.security_patch_level, release.security_patch_level),
        ("type", offer.type, release.type),
        ("min_counter", offer.min_counter, release.min_counter),
        ("source builds", offer.source_builds, release.source_builds),
    ):
        if offered != signed:
            raise AgreementError(
                f"The {what} that is offered is not the one that the model's maintainers signed."
            )
    if release.withdrawn:
        raise AgreementError(f"Build {offer.counter} was withdrawn by the model's maintainers.")
