"""Chooses the builds for clients that are in no rollout bucket, and when the offer changes. Pure.

Source: docs/FORMATS.md section 18. The rules are the same in every dialect.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import msgspec

from server.compat.options import ClientChannel, CompatOptions
from server.core.encodings import MAX_INTEGER
from server.core.errors import ReleaseError
from server.core.names import Channel
from server.core.pointer import Pointer, find_upgrade_path
from server.core.release import Csig, Release


@dataclass(frozen=True, slots=True)
class Item:
    """A package of a codename role: target path, release, length and sha256."""

    path: str
    release: Release
    length: int
    sha256: str

    @property
    def file(self) -> str:
        """The file's name."""
        return self.path.rpartition("/")[2]

    @property
    def hashed(self) -> str:
        """The file's name with its hash in front, which makes it unique."""
        return f"{self.sha256}.{self.file}"

    @property
    def csig(self) -> Csig | None:
        """Custota's signature of the package."""
        return self.release.csig or None

    def label(self, name: str) -> str:
        """Return the label `name`; empty if there is none."""
        labels = self.release.labels
        return "" if labels is msgspec.UNSET else labels.get(name, "")


@dataclass(frozen=True, slots=True)
class Build:
    """An offered build: its full package, and at most two incrementals."""

    full: Item
    incrementals: tuple[Item, ...]

    @property
    def packages(self) -> tuple[Item, ...]:
        """All packages of the build, the full one first."""
        return self.full, *self.incrementals


@dataclass(frozen=True, slots=True)
class ChannelOffers:
    """The possible offers to one device in one client channel: the pointer and the role's packages.

    `items` are the packages of the channel by path, including withdrawn ones. `absent` are the
    paths of packages whose bytes are missing. The metadata expires at `until`, in epoch seconds.
    """

    name: str
    rule: ClientChannel
    channel: Channel
    pointer: Pointer | None
    items: Mapping[str, Item]
    absent: frozenset[str]
    until: int


@dataclass(frozen=True, slots=True)
class Model:
    """A device under the app's name for it, with its offers by client channel.

    `sources` maps the fingerprint of each build of the model to its full package, in any channel.
    """

    device: str
    channel_offers: Mapping[str, ChannelOffers]
    sources: Mapping[str, Item]
    options: CompatOptions

    @property
    def single(self) -> ChannelOffers | None:
        """The offers of dialects whose paths name no client channel."""
        return self.channel_offers.get(self.options.single)

    def url(self, path: str) -> str:
        """Return the address of a path."""
        return self.options.public_url + path


def offer_at(offers: ChannelOffers, now: int) -> Build | None:
    """Return the build that is offered at `now`, in epoch seconds, if any.

    The target is the final step when the rollout has reached the client channel's `permille`, else
    the previous complete build. Of the steps to the target, the last one that the client channel's
    `from_counter` allows is offered.
    """
    pointer = offers.pointer
    if pointer is None or now >= offers.until:
        return None
    if not pointer.halted and pointer.permille_at(now) >= offers.rule.permille:
        offered = {step.counter: {each.path for each in step.packages} for step in pointer.steps}
        return _reachable(offers, list(offered), offered)
    if pointer.complete_before is msgspec.UNSET:
        return None
    releases = {path: item.release for path, item in offers.items.items()}
    try:
        return _reachable(
            offers, find_upgrade_path(offers.channel, pointer.complete_before, releases), {}
        )
    except ReleaseError:  # a stepping stone to it was withdrawn
        return None


def labelled_offer(offers: ChannelOffers | None, now: int, *labels: str) -> Build | None:
    """Return the offered build if its full package has all of the labels."""
    build = None if offers is None else offer_at(offers, now)
    return build if build is not None and all(map(build.full.label, labels)) else None


def find_missing_labels(offers: ChannelOffers | None, now: int, *labels: str) -> Iterator[str]:
    """Yield a sentence for each label that the offered build does not have."""
    build = labelled_offer(offers, now)
    for label in labels:
        if build is not None and not build.full.label(label):
            yield f"{build.full.path} has no label {label}"


def _reachable(
    offers: ChannelOffers, way: list[int], offered: Mapping[int, set[str]]
) -> Build | None:
    for counter in reversed(way):
        packages = [
            item
            for path, item in sorted(offers.items.items())
            if item.release.counter == counter
            and not item.release.withdrawn
            and path in offered.get(counter, {path})
        ]
        full = next((each for each in packages if each.release.type == "full"), None)
        if full is None or full.path in offers.absent:
            return None
        if full.release.min_counter <= offers.rule.from_counter:
            others = [each for each in packages if each is not full]
            return Build(full, tuple(each for each in others if each.path not in offers.absent))
    return None


def switch_times(offers: ChannelOffers) -> set[int]:
    """Return the seconds at which the offer may change."""
    if offers.pointer is None:
        return set()
    starts = {
        start for start, permille in offers.pointer.schedule if permille >= offers.rule.permille
    }
    return {min(starts), offers.until} if starts else {offers.until}


def find_held_back(offers: ChannelOffers, now: int) -> Release | None:
    """Return the build that is not offered at `now` because `from_counter` is too low, if any."""
    wide = replace(offers, rule=msgspec.structs.replace(offers.rule, from_counter=MAX_INTEGER))
    found, free = offer_at(offers, now), offer_at(wide, now)
    if free is None or (found is not None and found.full.path == free.full.path):
        return None
    return free.full.release
