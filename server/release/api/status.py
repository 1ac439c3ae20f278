"""How the server is: health for machines, status for people, and the page of the schema."""

import asyncio
from importlib.metadata import version
from typing import Annotated, Literal

import msgspec

from server.publisher.incoming import list_submissions
from server.publisher.published import Published, load_published
from server.release.api.operation import PREFIX, Call, Operation, Reply
from server.release.people.permissions import Permission


class Health(msgspec.Struct, frozen=True):
    """The process answers."""

    status: Literal["ok"] = "ok"


class RoleState(msgspec.Struct, frozen=True):
    """The published version of one role."""

    name: str
    version: int
    expires: Annotated[int, msgspec.Meta(description="Epoch seconds.")]


class Status(msgspec.Struct, frozen=True):
    """What is published, and what waits."""

    version: str
    """The server's."""
    time: Annotated[int, msgspec.Meta(description="Epoch seconds.")]
    snapshot: Annotated[int, msgspec.Meta(description="Its version; 0 before the first one.")]
    roles: list[RoleState]
    queue: Annotated[int, msgspec.Meta(description="Bundles that wait in `incoming`.")]


async def get_health(_call: Call) -> Reply:
    """Answer that the process is there; it looks at nothing else."""
    return Reply(Health())


async def get_status(call: Call) -> Reply:
    """Tell what phones see now."""
    return Reply(await asyncio.to_thread(_look, call))


def _look(call: Call) -> Status:
    folder = call.services.folder
    published = load_published(folder.public)
    return Status(
        version=version("hening"),
        time=call.services.epoch(),
        snapshot=0 if published is None else published.snapshot.version,
        roles=[] if published is None else _list_roles(published),
        queue=len(list_submissions(folder.incoming)),
    )


def _list_roles(published: Published) -> list[RoleState]:
    signed = {
        "root": published.root,
        "targets": published.targets,
        "snapshot": published.snapshot,
        "timestamp": published.timestamp,
        **published.roles,
    }
    return [
        RoleState(name, role.version, int(role.expires.timestamp()))
        for name, role in signed.items()
    ]


OPERATIONS = (
    Operation(
        method="GET",
        path=f"{PREFIX}/health",
        permission=None,
        public=True,
        summary="Is it there",
        handler=get_health,
        response=Health,
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/status",
        permission=Permission.READ,
        summary="What is published and what waits",
        handler=get_status,
        response=Status,
    ),
)
