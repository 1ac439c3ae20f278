"""Published builds with their packages, channels, signers and downloads, and content packs.

The number of phones with a build cannot be known. The page of downloads shows related numbers that
can be known.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from server.console.channels import HISTORY
from server.console.page import EVERY, PREFIX, Page, PageContent, Visit
from server.publisher.build_names import version_of
from server.release.api.changes import ChangesQuery
from server.release.api.channels import ChannelState
from server.release.api.content import PackState
from server.release.api.models import DayOfDownloads, Downloads, ReleaseState
from server.release.rollouts.preview import Share

SHOWN_DAYS = 14  # newest days with downloads that are shown of each build
POLL_SECONDS = 6 * 3600  # average time between two polls of a phone (FORMATS section 9)
FORECAST_PHONES = 100_000  # simulated phones of the suggested forecast
FORECAST_HOURS = 24  # how long the forecast continues after the last step


@dataclass(frozen=True, slots=True)
class Listing:
    """A channel that lists a build; `state` is that of its offer, or `listed`, or `withdrawn`.

    `halted_at` is the time of the halt if the build was halted and is not offered any more, else 0.
    """

    channel: str
    state: str
    permille: int = 0
    halted_at: int = 0


@dataclass(frozen=True, slots=True)
class Build:
    """One build of a model: its first package for the common facts, all packages, and channels."""

    name: str
    release: ReleaseState
    packages: list[tuple[ReleaseState, str]]
    """Each with the source versions of an incremental; an empty text for a full package."""
    listings: list[Listing]


async def list_models(visit: Visit) -> PageContent:
    """Show the models with their newest builds, page by page."""
    page = await visit.at.do("list_models", query=visit.query)
    channels = (await visit.at.do("list_channels", query=EVERY)).items
    rows = []
    for model in page.items:
        builds = await load_builds(visit, model.codename, channels)
        rows.append((model, builds[0] if builds else None, len(builds)))
    return PageContent("releases.html", {"rows": rows, "next": page.next})


async def show_model(visit: Visit) -> PageContent:
    """Show all builds of a model, newest first."""
    codename = visit.path["codename"]
    channels = (await visit.at.do("list_channels", query=EVERY)).items
    halts = {
        state.channel: await _find_halts(visit, state.channel)
        for state in channels
        if state.channel.startswith(f"{codename}/")
    }
    builds = await load_builds(visit, codename, channels, halts)
    model = await visit.at.do("get_model", visit.path)
    return PageContent("model.html", {"model": model, "builds": builds})


async def load_builds(
    visit: Visit,
    codename: str,
    channels: Sequence[ChannelState],
    halts: Mapping[str, Mapping[int, int]] = MappingProxyType({}),
) -> list[Build]:
    """Return a model's builds, newest first; `channels` has the present offers.

    `halts` has the times of halts, by channel and counter.
    """
    releases = (await visit.at.do("list_releases", {"codename": codename}, query=EVERY)).items
    by_counter: dict[int, list[ReleaseState]] = {}
    for release in releases:
        by_counter.setdefault(release.counter, []).append(release)
    states = {state.channel: state for state in channels}
    return [
        _make(by_counter[counter], states, halts) for counter in sorted(by_counter, reverse=True)
    ]


async def _find_halts(visit: Visit, channel: str) -> dict[int, int]:
    """Return the times at which builds of a channel were halted, by counter."""
    query = ChangesQuery(channel=channel, state="done", limit=HISTORY)
    changes = (await visit.at.do("list_changes", query=query)).items
    # Changes are newest first, so of repeated halts the first one is kept.
    return {each.counter: each.finished_at for each in changes if each.action == "halt"}


def _make(
    packages: list[ReleaseState],
    states: Mapping[str, ChannelState],
    halts: Mapping[str, Mapping[int, int]],
) -> Build:
    """Return the build of these packages; a file that several channels list counts once."""
    packages = sorted(packages, key=lambda each: (each.type != "full", each.path))
    files: dict[str, ReleaseState] = {}
    for package in packages:
        files.setdefault(package.sha256, package)
    first = packages[0]
    return Build(
        version_of(first.fingerprint),
        first,
        [(each, ", ".join(map(version_of, each.source_builds))) for each in files.values()],
        [
            _list(each, states.get(each.channel), halts.get(each.channel, {}))
            for each in packages
            if each.type == "full"
        ],
    )


def _list(release: ReleaseState, state: ChannelState | None, halts: Mapping[int, int]) -> Listing:
    if release.withdrawn:
        return Listing(release.channel, "withdrawn")
    if state is None or state.counter != release.counter:
        return Listing(release.channel, "listed", halted_at=halts.get(release.counter, 0))
    return Listing(release.channel, state.state, state.permille)


@dataclass(frozen=True, slots=True)
class Day:
    """The downloads of a build on one day."""

    name: str
    begun: int
    finished: int


@dataclass(frozen=True, slots=True)
class BuildDownloads:
    """A build with its newest days, and the sums of all days."""

    build: Build
    days: list[Day]
    begun: int
    finished: int


async def show_downloads(visit: Visit) -> PageContent:
    """Show the downloads of a model's builds, and an estimate of the phones that poll."""
    codename = visit.path["codename"]
    known: Downloads = await visit.at.do("list_downloads", visit.path)
    channels: list[ChannelState] = (await visit.at.do("list_channels", query=EVERY)).items
    builds = await load_builds(visit, codename, channels)
    values = {
        "codename": codename,
        "known": known,
        "phones": _estimate_phones(known),
        "builds": [_count(build, known.items) for build in builds],
        "forecasts": [
            (state.channel, _forecast(state.schedule))
            for state in channels
            if state.channel.startswith(f"{codename}/") and state.state == "offered"
        ],
    }
    return PageContent("downloads.html", values)


def _estimate_phones(known: Downloads) -> int | None:
    """Return the estimated number of phones that poll; None during the first POLL_SECONDS."""
    if known.seconds < POLL_SECONDS:
        return None
    return round(known.polls * POLL_SECONDS / known.seconds)


def _count(build: Build, items: Iterable[DayOfDownloads]) -> BuildDownloads:
    hashes = {package.sha256 for package, _ in build.packages}
    days: dict[str, Day] = {}
    for item in items:
        if item.sha256 in hashes:
            day = days.get(item.day, Day(item.day, 0, 0))
            days[item.day] = Day(item.day, day.begun + item.begun, day.finished + item.finished)
    newest = sorted(days.values(), key=lambda day: day.name, reverse=True)
    begun, finished = sum(day.begun for day in newest), sum(day.finished for day in newest)
    return BuildDownloads(build, newest[:SHOWN_DAYS], begun, finished)


def _forecast(schedule: list[Share]) -> str:
    """Return the command that simulates a fleet with this schedule."""
    hours = (schedule[-1].start - schedule[0].start) / 3600 + FORECAST_HOURS
    stages = " ".join(f"--stage {stage}" for stage in _stages(schedule))
    return f"hening-device fleet --devices {FORECAST_PHONES} --hours {hours:g} {stages}"


def _stages(schedule: list[Share]) -> Iterator[str]:
    for step, following in zip(schedule, [*schedule[1:], None], strict=True):
        share = f"{step.permille / 10:g}%"
        yield share if following is None else f"{share}={(following.start - step.start) / 3600:g}h"


async def list_packs(visit: Visit) -> PageContent:
    """Show all content packs."""
    packs: list[PackState] = (await visit.at.do("list_packs")).items
    now = visit.services.epoch()
    fetched = [pack for pack in packs if not pack.withdrawn]
    values = {
        "rows": [(pack, _state(pack, now), _share(pack, now)) for pack in packs],
        "files": sum(pack.parts for pack in fetched),
        "length": sum(pack.length for pack in fetched),
        "next_notice": 1
        + max((pack.version for pack in packs if pack.kind == "notices"), default=0),
    }
    return PageContent("content.html", values)


def _state(pack: PackState, now: int) -> str:
    if pack.withdrawn:
        return "withdrawn"
    if pack.end is not None and pack.end <= now:
        return "ended"
    return "in use" if pack.start <= now else "to come"


def _share(pack: PackState, now: int) -> int:
    """Return the share of the phones that use a pack, in permille."""
    return max((step.permille for step in pack.rollout if step.start <= now), default=0)


PAGES = (
    Page("GET", f"{PREFIX}/releases", list_models),
    Page("GET", f"{PREFIX}/releases/{{codename}}", show_model),
    Page("GET", f"{PREFIX}/releases/{{codename}}/downloads", show_downloads),
    Page("GET", f"{PREFIX}/content", list_packs),
)
