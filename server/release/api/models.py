"""Models, their releases as the signers list them, and downloads of their packages per day.

No number reveals a single phone (PRIVACY, *What the server does with a request*).
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from sqlalchemy import select
from tuf.api.metadata import Targets

from server.core.names import decode_release_path, is_codename
from server.core.release import Release, decode_releases
from server.publisher.published import load_signers
from server.release.api.operation import Call, Operations, Reply
from server.release.api.pagination import Page, PageQuery, decode_cursor, make_page
from server.release.auth.principal import Permission
from server.release.errors import NotFoundError
from server.release.rollouts.signed import (
    Retire,
    Split,
    needs_signature,
    propose_retirement,
    propose_split,
)
from server.storage.models import PackageDownloads

OPERATIONS = Operations(permission=Permission.READ)
_DAY = 86_400


class ModelState(msgspec.Struct, frozen=True):
    """One model, and the published version of its role."""

    codename: str
    version: int
    expires: int
    """Epoch seconds."""
    releases: int
    """The number of listed packages, including withdrawn ones."""
    signed_by: list[str]
    """The ids of the keys that signed this version, with all its packages."""


class ReleaseState(msgspec.Struct, frozen=True):
    """One package of one build in one channel."""

    path: str
    channel: str
    type: str
    counter: int
    fingerprint: str
    post_timestamp: int
    security_patch_level: str
    min_counter: int
    source_builds: list[str]
    changelog: dict[str, str]
    withdrawn: bool
    length: int
    """Bytes."""
    sha256: str


@OPERATIONS.on("GET /models", "List models", query=PageQuery, response=Page[ModelState])
async def list_models(call: Call) -> Reply:
    """List the models that have a signed role and that you may see."""
    roles = await _load_roles(call)
    after = decode_cursor(call.query.cursor, str) or ""
    names = [
        name for name in roles if name > after and call.caller.is_allowed(Permission.READ, name)
    ]
    page = {name: roles[name] for name in sorted(names)[: call.query.limit + 1]}
    public = call.services.folder.public
    shown = await asyncio.to_thread(
        lambda: [_show_model(name, role, public) for name, role in page.items()]
    )
    return Reply(make_page(call, shown, lambda model: model.codename, lambda model: model))


@OPERATIONS.on("GET /models/{codename}", "Show a model", response=ModelState)
async def get_model(call: Call) -> Reply:
    """Return one model."""
    codename, public = call.path["codename"], call.services.folder.public
    role = await _load_role(call)
    return Reply(await asyncio.to_thread(_show_model, codename, role, public))


@OPERATIONS.on(
    "GET /models/{codename}/releases",
    "List a model's packages",
    query=PageQuery,
    response=Page[ReleaseState],
)
async def list_releases(call: Call) -> Reply:
    """List a model's packages by path, including withdrawn ones."""
    role = await _load_role(call)
    after = decode_cursor(call.query.cursor, str) or ""
    rows = await asyncio.to_thread(_releases, role, after)
    shown = rows[: call.query.limit + 1]
    return Reply(make_page(call, shown, lambda row: row[0], lambda row: _show(role, *row)))


@OPERATIONS.on(
    "POST /models/{codename}/retire",
    "Propose to retire a model",
    permission=Permission.ROLLOUT,
    request=Retire,
)
async def retire_model(call: Call) -> Reply:
    """Propose to retire a model: its phones are offered nothing any more.

    The answer is always `409 needs-signature`, with the proposal for the holders of offline keys.
    """
    codename, services = call.path["codename"], call.services
    call.caller.check(Permission.ROLLOUT, codename)
    public, now = services.folder.public, services.clock()
    proposed = await asyncio.to_thread(propose_retirement, call.body, codename, public, now)
    raise needs_signature(proposed)


@OPERATIONS.on(
    "POST /latest/split", "Propose to split latest", permission=Permission.ROLLOUT, request=Split
)
async def split_latest(call: Call) -> Reply:
    """Propose to split latest into 4 or 16 parts.

    The answer is always `409 needs-signature`, with the proposal for the holders of offline keys.
    Its `remarks` state what the split saves a phone and what it reveals.
    """
    call.caller.check(Permission.ROLLOUT, "targets")
    public, now = call.services.folder.public, call.services.clock()
    proposed = await asyncio.to_thread(propose_split, call.body, public, now)
    raise needs_signature(proposed)


async def _load_roles(call: Call) -> dict[str, Targets]:
    published = await call.services.rollouts.published()
    roles = {} if published is None else published.roles
    return {name: role for name, role in roles.items() if is_codename(name)}


async def _load_role(call: Call) -> Targets:
    """Return the role of the model in the path; raises PermissionDeniedError or NotFoundError."""
    codename = call.path["codename"]
    call.caller.check(Permission.READ, codename)
    role = (await _load_roles(call)).get(codename)
    if role is None:
        raise NotFoundError(f"there is no model {codename}: look at the list of models.")
    return role


def _releases(role: Targets, after: str) -> list[tuple[str, Release]]:
    return [(path, each) for path, each in sorted(decode_releases(role).items()) if path > after]


def _show_model(name: str, role: Targets, public: Path) -> ModelState:
    return ModelState(
        name,
        role.version,
        int(role.expires.timestamp()),
        len(role.targets),
        load_signers(public, name, role.version),
    )


def _show(role: Targets, path: str, release: Release) -> ReleaseState:
    target = role.targets[path]
    return ReleaseState(
        path=path,
        channel=str(decode_release_path(path)[0]),
        type=release.type,
        counter=release.counter,
        fingerprint=release.fingerprint,
        post_timestamp=release.post_timestamp,
        security_patch_level=release.security_patch_level,
        min_counter=release.min_counter,
        source_builds=list(release.source_builds),
        changelog=dict(release.changelog),
        withdrawn=release.withdrawn,
        length=target.length,
        sha256=target.hashes["sha256"],
    )


class DayOfDownloads(msgspec.Struct, frozen=True):
    """The downloads of one package on one day."""

    sha256: str
    """The hash of the package."""
    day: Annotated[str, msgspec.Meta(description="In UTC, in the form 2026-12-01.")]
    begun: Annotated[int, msgspec.Meta(description="Begun downloads, in multiples of 20.")]
    finished: Annotated[int, msgspec.Meta(description="Finished downloads, in multiples of 20.")]


class Downloads(msgspec.Struct, frozen=True):
    """The numbers of downloads of a model's packages, and of polls."""

    is_known: bool
    """Whether phones connect directly to this server: behind a cache nothing is counted."""
    polls: int
    """Polls, of all models, that this process has answered since its start."""
    seconds: int
    """Seconds since the start of this process."""
    items: list[DayOfDownloads]
    """By day and package; days with fewer than 20 downloads are missing."""


@OPERATIONS.on(
    "GET /models/{codename}/downloads", "List downloads of a model's packages", response=Downloads
)
async def list_downloads(call: Call) -> Reply:
    """List the downloads of a model's packages per day."""
    role = await _load_role(call)
    hashes = await asyncio.to_thread(
        lambda: sorted({target.hashes["sha256"] for target in role.targets.values()})
    )
    query = (
        select(PackageDownloads)
        .where(PackageDownloads.sha256.in_(hashes))
        .order_by(PackageDownloads.day.desc(), PackageDownloads.sha256)
    )
    async with call.services.sessions() as session:
        items = [
            DayOfDownloads(
                row.sha256,
                f"{datetime.fromtimestamp(row.day * _DAY, UTC):%Y-%m-%d}",
                row.begun,
                row.finished,
            )
            for row in await session.scalars(query)
        ]
    polls = call.services.polls()
    if polls is None:
        return Reply(Downloads(False, 0, 0, items))
    return Reply(Downloads(True, polls.number, int(polls.seconds), items))
