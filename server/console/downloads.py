"""How many phones have a build: it cannot be known, and this page shows what can."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from server.console.operations_client import EVERY
from server.console.page import PREFIX, Page, PageContent, Visit
from server.console.releases import Build, load_builds
from server.release.api.channels import ChannelState
from server.release.api.models import DayOfDownloads, Downloads
from server.release.rollouts.preview import Share

SHOWN_DAYS = 14  # of each build
POLL_SECONDS = 6 * 3600  # between two polls of a phone, on average (FORMATS section 9)
FORECAST_PHONES = 100_000  # of the forecast that the page suggests
FORECAST_HOURS = 24  # that the forecast goes on after the last step


@dataclass(frozen=True, slots=True)
class Day:
    """One day of one build."""

    name: str
    begun: int
    finished: int


@dataclass(frozen=True, slots=True)
class Counted:
    """A build with its newest days, and the sums of all days."""

    build: Build
    days: list[Day]
    begun: int
    finished: int


async def show_downloads(visit: Visit) -> PageContent:
    """Show how often a model's builds were downloaded, and how many phones poll."""
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
    """Return how many phones poll; None until the server has seen each of them once."""
    if known.seconds < POLL_SECONDS:
        return None
    return round(known.polls * POLL_SECONDS / known.seconds)


def _count(build: Build, items: Iterable[DayOfDownloads]) -> Counted:
    hashes = {package.sha256 for package, _ in build.packages}
    days: dict[str, Day] = {}
    for item in items:
        if item.sha256 in hashes:
            day = days.get(item.day, Day(item.day, 0, 0))
            days[item.day] = Day(item.day, day.begun + item.begun, day.finished + item.finished)
    newest = sorted(days.values(), key=lambda day: day.name, reverse=True)
    begun, finished = sum(day.begun for day in newest), sum(day.finished for day in newest)
    return Counted(build, newest[:SHOWN_DAYS], begun, finished)


def _forecast(schedule: list[Share]) -> str:
    """Return the command that simulates a fleet with this schedule."""
    hours = (schedule[-1].start - schedule[0].start) / 3600 + FORECAST_HOURS
    stages = " ".join(f"--stage {stage}" for stage in _stages(schedule))
    return f"hening-device fleet --devices {FORECAST_PHONES} --hours {hours:g} {stages}"


def _stages(schedule: list[Share]) -> Iterator[str]:
    for step, following in zip(schedule, [*schedule[1:], None], strict=True):
        share = f"{step.permille / 10:g}%"
        yield share if following is None else f"{share}={(following.start - step.start) / 3600:g}h"


PAGES = (Page("GET", f"{PREFIX}/releases/{{codename}}/downloads", show_downloads),)
