"""Content packs as their signers list them: versions, schedules, sizes, and the text of news."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import msgspec
from tuf.api.metadata import Targets

from server.core.content.index import Pack, decode_index, targets_of
from server.core.content.kinds import CONTENT_ROLES, convert_entries, part_paths
from server.core.content.news import News
from server.core.content.part import join_parts
from server.release.api.operation import Call, Operations, Reply
from server.release.auth.principal import Permission
from server.release.rollouts.preview import Share

OPERATIONS = Operations(permission=Permission.READ)

_NEWS = frozenset({"features", "notices"})


class NewsState(msgspec.Struct, frozen=True):
    """An entry of `notices` or `features` as phones show it. Days in the form 2026-12-01."""

    key: str
    title: dict[str, str]
    """By locale."""
    published: str
    """The day from which it is shown."""
    end: str | None
    """The first day on which it is not shown any more; null: no end."""


class PackState(msgspec.Struct, frozen=True):
    """The listed version of one kind of pack. Times are in epoch seconds."""

    kind: str
    role: str
    """The signed role that lists it."""
    version: int
    title: dict[str, str]
    """By locale."""
    start: int
    end: int | None
    """The time from which no phone uses it; null: no end."""
    rollout: list[Share]
    """The shares of phones that use it, each with its start."""
    withdrawn: bool
    sources: list[str]
    """The sources of its entries, each with version and licence."""
    parts: int
    length: Annotated[int, msgspec.Meta(description="Bytes of all parts.")]
    pictures: int
    """Wallpapers in addition to the parts; a phone fetches one when its owner chooses it."""
    news: list[NewsState] = []
    """The entries of notices and features that are not withdrawn, latest first."""


class Packs(msgspec.Struct, frozen=True):
    """All packs, by role and kind."""

    items: list[PackState]


@OPERATIONS.on("GET /content", "List content packs", response=Packs)
async def list_packs(call: Call) -> Reply:
    """List the content packs. Every phone fetches all their parts, whichever its owner uses."""
    published = await call.services.rollouts.published()
    roles = {} if published is None else published.roles
    listed = {name: roles[name] for name in CONTENT_ROLES if name in roles}
    packs = await asyncio.to_thread(_list, listed)
    for place, pack in enumerate(packs):
        if pack.kind in _NEWS and not pack.withdrawn:
            news = await _load_news(call, listed[pack.role], pack.kind)
            packs[place] = msgspec.structs.replace(pack, news=news)
    return Reply(Packs(packs))


async def _load_news(call: Call, role: Targets, kind: str) -> list[NewsState]:
    parts = []
    for path in part_paths(kind):
        target = role.targets[path]
        stored = call.services.publisher.blobs.open_range(target.hashes["sha256"], 0, target.length)
        async with stored as pieces:
            parts.append(b"".join([piece async for piece in pieces]))
    return await asyncio.to_thread(_decode_news, kind, parts)


def _decode_news(kind: str, parts: Sequence[bytes]) -> list[NewsState]:
    entries = convert_entries(kind, join_parts(kind, parts), News)
    return sorted(
        (
            NewsState(key, dict(news.title), news.published, news.end or None)
            for key, news in entries.items()
        ),
        key=lambda each: each.published,
        reverse=True,
    )


def _list(roles: dict[str, Targets]) -> list[PackState]:
    return [
        _show(kind, name, role, pack)
        for name, role in roles.items()
        for kind, pack in sorted(decode_index(name, role).packs.items())
    ]


def _show(kind: str, name: str, role: Targets, pack: Pack) -> PackState:
    parts = part_paths(kind)
    return PackState(
        kind=kind,
        role=name,
        version=pack.version,
        title=dict(pack.title),
        start=pack.start,
        end=None if pack.end is msgspec.UNSET else pack.end,
        rollout=[Share(start, permille) for start, permille in pack.rollout],
        withdrawn=pack.is_withdrawn,
        sources=[f"{each.name} {each.version}, {each.licence}" for each in pack.sources],
        parts=len(parts),
        length=sum(role.targets[path].length for path in parts),
        pictures=len(targets_of(kind, role.targets)) - len(parts),
    )
