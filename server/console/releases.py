"""Releases: every build of every model, its packages, where it is offered, and who signed it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from server.console.channels import HISTORY
from server.console.operations_client import EVERY
from server.console.page import PREFIX, Page, PageContent, Visit
from server.publisher.build_names import version_of
from server.release.api.changes import ChangesQuery
from server.release.api.channels import ChannelState
from server.release.api.models import ReleaseState


@dataclass(frozen=True, slots=True)
class Listing:
    """A channel that lists a build; `state` is of its offer, or `listed`, or `withdrawn`.

    `halted_at` is of a listed build whose rollout was halted before another was offered, else 0.
    """

    channel: str
    state: str
    permille: int = 0
    halted_at: int = 0


@dataclass(frozen=True, slots=True)
class Build:
    """One build of a model: what is equal in its packages, and the packages of one channel."""

    name: str
    release: ReleaseState
    packages: list[tuple[ReleaseState, str]]
    """Each with the version that an incremental starts from; an empty text for a full package."""
    listings: list[Listing]


async def list_models(visit: Visit) -> PageContent:
    """Show all models with their newest build, a page of them at a time."""
    page = await visit.at.do("list_models", query=visit.query)
    channels = (await visit.at.do("list_channels", query=EVERY)).items
    rows = []
    for model in page.items:
        builds = await load_builds(visit, model.codename, channels)
        rows.append((model, builds[0] if builds else None, len(builds)))
    return PageContent("releases.html", {"rows": rows, "next": page.next})


async def show_model(visit: Visit) -> PageContent:
    """Show all builds of a model, the newest first."""
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
    """Return a model's builds, the newest first; `channels` says which are offered.

    `halts` says when which builds were halted, by channel and counter.
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
    """Return when each build of a channel was halted, by its counter."""
    query = ChangesQuery(channel=channel, state="done", limit=HISTORY)
    changes = (await visit.at.do("list_changes", query=query)).items
    # The newest come first: of repeated halts the first one stays.
    return {each.counter: each.finished_at for each in changes if each.action == "halt"}


def _make(
    packages: list[ReleaseState],
    states: Mapping[str, ChannelState],
    halts: Mapping[str, Mapping[int, int]],
) -> Build:
    """Return the build of these packages: of each file once, though several channels list it."""
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


PAGES = (
    Page("GET", f"{PREFIX}/releases", list_models),
    Page("GET", f"{PREFIX}/releases/{{codename}}", show_model),
)
