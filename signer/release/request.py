"""The request for a release, with defaults from the build's earlier releases."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from server.core.encodings import MAX_INTEGER
from server.core.limits import COUNTER_STEP
from server.core.names import Channel
from server.core.release import Floor, Release
from signer.bundle_writer import Blob
from signer.errors import ReleaseRefusal
from signer.release.proof import Proofs


@dataclass(frozen=True, slots=True)
class Extras:
    """Additions to one package for dialects: its csig (a file to submit) and its MD5 in hex."""

    csig: Blob | None = None
    md5: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseRequest:
    """A request to release a build; None and an empty changelog take the build's earlier values.

    By default a listed build keeps its counter, its stepping stone in the same channel and its
    changelog; a new build gets the next counter, no stepping stone and no text. `factory_builds`
    are fingerprints of factory builds. `labels` apply to every package; `extras` has those of one
    package by its file name. `allow_operations` names payload operations that may be released
    although this version does not know them. `proofs` are reports that packages install, and
    whether they are required.
    """

    channel: Channel
    counter: int | None = None
    min_counter: int | None = None
    changelog: Mapping[str, str] = field(default_factory=dict)
    required_locales: tuple[str, ...] = ()
    factory_builds: frozenset[str] = frozenset()
    allow_operations: frozenset[str] = frozenset()
    proofs: Proofs = field(default_factory=Proofs)
    labels: Mapping[str, str] = field(default_factory=dict)
    extras: Mapping[str, Extras] = field(default_factory=dict)


def next_counter(fingerprint: str, releases: Mapping[str, Release], floor: Floor) -> int:
    """Return the counter of a listed build, or for a new one the highest ever used plus one."""
    known = {release.fingerprint: release.counter for release in releases.values()}
    return known.get(fingerprint, max(known.values(), default=max(floor.counter - 1, 0)) + 1)


def choose_counter(
    request: ReleaseRequest, fingerprint: str, releases: Mapping[str, Release], floor: Floor
) -> int:
    """Return the counter that the request asks for; raises ReleaseRefusal when it is not allowed.

    A counter can never be lowered again. So that a typing error does little harm, it must be less
    than COUNTER_STEP above the lowest possible one.
    """
    lowest = next_counter(fingerprint, releases, floor)
    if lowest > MAX_INTEGER:
        raise ReleaseRefusal(
            f"No counter is left above {lowest - 1}, the highest so far; the model needs another"
            " codename."
        )
    if request.counter is None or request.counter == lowest:
        return lowest
    if any(release.fingerprint == fingerprint for release in releases.values()):
        raise ReleaseRefusal(f"This build has counter {lowest} already; omit --counter.")
    if request.counter < lowest:
        raise ReleaseRefusal(
            f"Counter {request.counter} is not above {lowest - 1}, the highest so far;"
            " omit --counter."
        )
    if request.counter - lowest >= COUNTER_STEP:
        raise ReleaseRefusal(
            f"Counter {request.counter} is more than {COUNTER_STEP} above {lowest - 1}, the highest"
            " so far, and a counter can never be lowered; omit --counter."
        )
    return request.counter


def known_changelog(counter: int, releases: Mapping[str, Release]) -> dict[str, str]:
    """Return the existing changelog of a build from any channel, or an empty one."""
    texts = [release.changelog for release in releases.values() if release.counter == counter]
    return next((dict(text) for text in texts if text), {})
