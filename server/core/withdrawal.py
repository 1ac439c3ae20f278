"""Withdraws releases: for ever, a build everywhere, a build in one channel, or one package.

Source: docs/FORMATS.md section 3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tuf.api.metadata import Targets

from server.core.errors import HeningError, ReleaseError
from server.core.names import check_codename, decode_channel, decode_release_path
from server.core.release import Release, decode_releases
from server.core.role_edit import make_target, next_role


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What to withdraw from one model.

    Each of `places` is `CODENAME` or `CODENAME/REGION/CHANNEL`, of which the build with `counter`
    is withdrawn, or the path of one package. `drain_until`, in epoch seconds, is how long servers
    go on serving the octets; None: they stop at once.
    """

    places: tuple[str, ...]
    counter: int | None = None
    drain_until: int | None = None

    @property
    def codename(self) -> str:
        """The model; ReleaseError when the places are of several, or none is named."""
        names = sorted({place.partition("/")[0] for place in self.places})
        if len(names) != 1:
            raise ReleaseError(
                f"{len(names)} models are named; withdraw from one model at a time, because each"
                " has keys of its own."
            )
        return names[0]


def plan_withdrawal(order: Withdrawal, current: Targets, expires: datetime) -> Targets:
    """Return the next version of the role with the named releases withdrawn.

    What is withdrawn already stays so, and drains no longer than it did; the result equals
    `current` but for version and expiry when there is nothing to do. Raises ReleaseError for a
    place at which nothing is listed, and for a full package without which the build's incrementals
    would be left.
    """
    releases = decode_releases(current)
    codename = order.codename
    paths = named_paths(order, releases)
    _check_no_rest(paths, releases)
    targets = dict(current.targets)
    for path in paths:
        known, release = targets[path], releases[path]
        custom = {**known.custom, "withdrawn": True}
        custom.pop("drain_until", None)
        until = order.drain_until
        if until is not None and release.withdrawn:
            until = min(until, release.drain_until or 0)
        if until:
            custom["drain_until"] = until
        targets[path] = make_target(path, known.length, known.hashes["sha256"], custom, known)
    return next_role(codename, current, targets, expires)


def named_paths(order: Withdrawal, releases: Mapping[str, Release]) -> list[str]:
    """Return the paths that an order names, sorted; raises ReleaseError where nothing is listed."""
    return sorted({path for place in order.places for path in _find(order, place, releases)})


def _find(order: Withdrawal, place: str, releases: Mapping[str, Release]) -> list[str]:
    if place.endswith(".zip"):
        if place not in releases:
            raise ReleaseError(f"{place[:120]} is not listed.")
        if order.counter not in (None, releases[place].counter):
            raise ReleaseError(
                f"{place} has counter {releases[place].counter}; leave the counter away."
            )
        return [place]
    try:
        (decode_channel if "/" in place else check_codename)(place)
    except HeningError as error:
        raise ReleaseError(
            f"{place[:120]!r} is neither CODENAME, CODENAME/REGION/CHANNEL nor the path of a"
            " package."
        ) from error
    if order.counter is None:
        raise ReleaseError(f"{place} stands for builds; say which one by its counter.")
    found = [
        path
        for path, release in releases.items()
        if path.startswith(f"{place}/") and release.counter == order.counter
    ]
    if not found:
        raise ReleaseError(
            f"{place} lists no build with counter {order.counter}: look at its releases."
        )
    return found


def _check_no_rest(paths: Sequence[str], releases: Mapping[str, Release]) -> None:
    """Refuse to take a full package away from incrementals that stay."""
    for path in paths:
        withdrawn = releases[path]
        if withdrawn.type != "full" or withdrawn.withdrawn:
            continue
        channel = decode_release_path(path)[0]
        for other, release in releases.items():
            if (
                other not in paths
                and decode_release_path(other)[0] == channel
                and release.counter == withdrawn.counter
                and not release.withdrawn
            ):
                raise ReleaseError(
                    f"{path} is the full package of a build whose {other} would stay, and no"
                    f" pointer can offer that; withdraw the build with"
                    f" counter {withdrawn.counter} from {channel}."
                )
