"""Withdraws releases: for ever, a build everywhere, a build in one channel, or one package.

Source: docs/FORMATS.md section 3.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tuf.api.metadata import Targets

from server.core.errors import HeningError
from server.core.names import check_codename, decode_channel, decode_release_path
from server.core.release import Release, decode_releases
from signer.errors import ReleaseRefusal, refusing
from signer.moment import show_moment
from signer.release.edit import make_target, next_role


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
        """The model; ReleaseRefusal when the places are of several, or none is named."""
        names = sorted({place.partition("/")[0] for place in self.places})
        if len(names) != 1:
            raise ReleaseRefusal(
                f"{len(names)} models are named; withdraw from one model at a time, because each"
                " has keys of its own."
            )
        return names[0]


def plan_withdrawal(order: Withdrawal, current: Targets, expires: datetime) -> Targets:
    """Return the next version of the role with the named releases withdrawn.

    What is withdrawn already stays so, and drains no longer than it did; the result equals
    `current` but for version and expiry when there is nothing to do. Raises ReleaseRefusal for a
    place at which nothing is listed, and for a full package without which the build's incrementals
    would be left.
    """
    with refusing(ReleaseRefusal):
        releases = decode_releases(current)
    codename = order.codename
    paths = _named(order, releases)
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


def undrained(order: Withdrawal, current: Targets, planned: Targets) -> list[str]:
    """Return a sentence for each named package whose drain is not the one that is asked for.

    It was withdrawn before, and a drain is granted with the withdrawal or never.
    """
    with refusing(ReleaseRefusal):
        before, after = decode_releases(current), decode_releases(planned)
    return [
        f"{path} was withdrawn before, and a drain cannot be added or lengthened later: its octets"
        f" are served {_until(release.drain_until or 0)}."
        for path in _named(order, before)
        if before[path].withdrawn
        and ((release := after[path]).drain_until or 0) < (order.drain_until or 0)
    ]


def _until(drain_until: int) -> str:
    return f"until {show_moment(drain_until)}" if drain_until else "no more"


def _named(order: Withdrawal, releases: Mapping[str, Release]) -> list[str]:
    return sorted({path for place in order.places for path in _find(order, place, releases)})


def _find(order: Withdrawal, place: str, releases: Mapping[str, Release]) -> list[str]:
    if place.endswith(".zip"):
        if place not in releases:
            raise ReleaseRefusal(f"{place[:120]} is not listed; see `release list`.")
        if order.counter not in (None, releases[place].counter):
            raise ReleaseRefusal(
                f"{place} has counter {releases[place].counter}; leave --counter away."
            )
        return [place]
    try:
        (decode_channel if "/" in place else check_codename)(place)
    except HeningError as error:
        raise ReleaseRefusal(
            f"{place[:120]!r} is neither CODENAME, CODENAME/REGION/CHANNEL nor the path of a"
            " package; see `release list`."
        ) from error
    if order.counter is None:
        raise ReleaseRefusal(f"{place} stands for builds; say which one with --counter.")
    found = [
        path
        for path, release in releases.items()
        if path.startswith(f"{place}/") and release.counter == order.counter
    ]
    if not found:
        raise ReleaseRefusal(
            f"{place} lists no build with counter {order.counter}; see `release list`."
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
                raise ReleaseRefusal(
                    f"{path} is the full package of a build whose {other} would stay, and no"
                    f" pointer can offer that; withdraw {channel} with --counter"
                    f" {withdrawn.counter}."
                )
