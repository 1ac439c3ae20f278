"""Content packs, as listed by their signers: versions, schedules, and sizes."""

import asyncio
from typing import Annotated

import msgspec
from tuf.api.metadata import Targets

from server.core.content.index import Pack, decode_index, targets_of
from server.core.content.kinds import CONTENT_ROLES, part_paths
from server.release.api.address import PREFIX
from server.release.api.operation import Call, Operation, Reply
from server.release.auth.principal import Permission
from server.release.rollouts.preview import Share


class PackState(msgspec.Struct, frozen=True):
    """The listed version of one kind of pack. Times in epoch seconds."""

    kind: str
    role: str
    """The signed role that lists it."""
    version: int
    title: dict[str, str]
    """By locale."""
    start: int
    end: int | None
    """From when on no phone uses it; null: no end."""
    rollout: list[Share]
    """Which share of the phones uses it from when on."""
    withdrawn: bool
    sources: list[str]
    """Where its entries come from, each with version and licence."""
    parts: int
    length: Annotated[int, msgspec.Meta(description="Bytes of all parts.")]
    pictures: int
    """Wallpapers beside the parts, which a phone fetches when its owner chooses one."""


class Packs(msgspec.Struct, frozen=True):
    """All packs, by role and kind."""

    items: list[PackState]


async def list_packs(call: Call) -> Reply:
    """List the content packs. Every phone fetches all of their parts, whatever its owner uses."""
    published = await call.services.require_rollouts().published()
    roles = {} if published is None else published.roles
    listed = {name: roles[name] for name in CONTENT_ROLES if name in roles}
    return Reply(Packs(await asyncio.to_thread(_list, listed)))


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


OPERATIONS = (
    Operation(
        method="GET",
        path=f"{PREFIX}/content",
        permission=Permission.READ,
        summary="List content packs",
        handler=list_packs,
        response=Packs,
    ),
)
