"""A site of several node processes whose publisher is killed before a halt is requested.

One of two publishers is killed while it holds the lease and releases wait. A control node then gets
the command to halt a channel, and the other publisher takes over.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import func, select

from server.publisher.lease import NAME, URGENT
from server.publisher.s3_inbox import S3Inbox
from server.settings import Node
from server.storage.database import Sessions, open_database
from server.storage.layout import StateFolder
from server.storage.models import Lease as LeaseRow
from server.storage.models import LogEntry, Submission
from server.storage.objects import Objects
from tests.patience import PATIENCE
from tests.ports import free_ports
from tests.server.ceremony import write_bundle
from tests.server.release.auth.issue import make_token
from tests.server.site import Site
from tests.server.world import publish_first

LOOK = 0.002  # seconds between two reads of the lease
REST = 0.02  # and between two reads of other state
ROLES = ("tables", "content", "cancro")
NOWHERE = "http://127.0.0.1:9"  # read-backs fail here, and the publisher does not wait for them
HALT = "/api/v1/channels/armani/id/stable/halt"


@dataclass(frozen=True, slots=True)
class Story:
    """The roles that became public after the kill, in the log's order, and seconds from it.

    `is_accepted`: the publication of the killed process had been accepted, so it comes first.
    """

    order: Sequence[str]
    is_accepted: bool
    halt: float
    next: float


async def play(
    site: Site,
    place: Path,
    meanwhile: Callable[[], Awaitable[object]],
    programs: Any = None,
) -> Story:
    """Kill a publisher and request a halt; `meanwhile` is called once the halt is waiting.

    With `programs` the nodes are forked.
    """
    first = await asyncio.to_thread(site.machine, "first")
    await asyncio.to_thread(publish_first, first)
    token, (port,) = await make_token(first), free_ports(1)
    folders = {}
    for name, node in (("one", "publisher"), ("two", "publisher"), ("control", "control")):
        folders[name] = (await asyncio.to_thread(site.machine, name, first)).folder
        changes = {"api_port": port} if node == "control" else {}
        _write_settings(site, folders[name], Node(node), public_url=NOWHERE, **changes)
    async with contextlib.AsyncExitStack() as stack:
        sessions = await stack.enter_async_context(open_database(first.folder.database))
        running = {
            folder: await stack.enter_async_context(_node(folder, programs))
            for folder in folders.values()
        }
        del running[folders["control"]]
        headers = {"Authorization": f"Bearer {token}"}
        api = aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers)
        await stack.enter_async_context(api)

        async def is_ready() -> bool:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                async with api.get("/api/v1/status") as answer:
                    return bool(answer.status == 200)
            return False

        async def halt() -> float:
            async with api.post(HALT, json={}) as answer:
                assert answer.status == 200, await answer.text()
            return time.perf_counter()

        async def log(known: int) -> Sequence[str]:
            query = select(LogEntry.role).where(LogEntry.index >= known).order_by(LogEntry.index)
            async with sessions() as session:
                return (await session.scalars(query)).all()

        await _until(is_ready)
        bundles = await asyncio.to_thread(_queue, site, place, first.ceremony.role)
        is_accepted = await _kill_holder(site, sessions, running)
        killed, known = time.perf_counter(), len(await log(0))
        halting = asyncio.create_task(halt())
        await _until(lambda: _is_held(sessions, URGENT))
        before = await _count_published(sessions, bundles)
        await meanwhile()
        halted = await halting

        async def is_more() -> bool:
            return await _count_published(sessions, bundles) > before

        async def is_all() -> bool:
            return await _count_published(sessions, bundles) == len(bundles)

        await _until(is_more)
        following = time.perf_counter()
        await _until(is_all)
        return Story(await log(known), is_accepted, halted - killed, following - killed)


def _write_settings(site: Site, folder: StateFolder, node: Node, **changes: Any) -> None:
    chosen = site.settings(node, **changes)
    names = ("node", "database_url", "tree_url", "blobs_url", "s3_endpoint", "s3_key_id")
    values = {name: f'"{getattr(chosen, name)}"' for name in (*names, "s3_secret", "public_url")}
    values |= {"port": "0"} if chosen.api_port is None else {"api_port": str(chosen.api_port)}
    folder.settings.write_text("".join(f"{name} = {text}\n" for name, text in values.items()))


@contextlib.asynccontextmanager
async def _node(folder: StateFolder, programs: Any) -> AsyncIterator["subprocess.Popen[bytes]"]:
    """Run a node's program until the block ends; its log is the file `log` in the state folder."""
    with _start(folder, programs) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            await asyncio.to_thread(process.wait)


def _start(folder: StateFolder, programs: Any) -> "subprocess.Popen[bytes]":
    name, words = "hening-server", ("run", "--state", str(folder.root))
    with (folder.root / "log").open("wb") as log:
        if programs is None:
            program = Path(sys.executable).with_name(name)
            return subprocess.Popen([program, *words], stdout=log, stderr=log)
        forked: subprocess.Popen[bytes] = programs.start(name, *words, output=log)
        return forked


def _queue(site: Site, place: Path, sign: Callable[[str, int], bytes]) -> list[str]:
    """Put one bundle for each role into the site's store, to wait there; returns their ids."""
    folder = StateFolder(place, tree=site.tree)
    inbox, found = S3Inbox(site.tree, folder, time.monotonic), []
    folder.incoming.mkdir(parents=True)
    for number, role in enumerate(ROLES):
        bundle = write_bundle(folder.incoming, {(role, 2): sign(role, 2)}, {})
        inbox.hand_in(folder.incoming / bundle, bundle, f"{number:016x}")
        found.append(bundle)
    return found


async def _kill_holder(
    site: Site, sessions: Sessions, publishers: Mapping[StateFolder, "subprocess.Popen[bytes]"]
) -> bool:
    """Kill the publisher that holds the lease; returns whether its publication was accepted."""
    async with asyncio.timeout(PATIENCE):
        while True:
            await asyncio.sleep(LOOK)
            row = await _read(sessions, NAME)
            for folder, process in publishers.items():
                if row is None or not row.expires_at or _holder(folder) != row.holder.rstrip("+"):
                    continue
                process.send_signal(signal.SIGSTOP)
                same = await _read(sessions, NAME)
                if same is not None and same.fence == row.fence and same.expires_at:
                    process.kill()
                    await asyncio.to_thread(process.wait)
                    return bool(await asyncio.to_thread(list, Objects(site.tree).list("staging")))
                process.send_signal(signal.SIGCONT)


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(REST)


async def _is_held(sessions: Sessions, name: str) -> bool:
    row = await _read(sessions, name)
    return row is not None and row.expires_at > 0


async def _read(sessions: Sessions, name: str) -> LeaseRow | None:
    async with sessions() as session:
        found: LeaseRow | None = await session.scalar(select(LeaseRow).filter_by(name=name))
        return found


async def _count_published(sessions: Sessions, bundles: Sequence[str]) -> int:
    query = select(func.count()).where(Submission.id.in_(bundles), Submission.status == "published")
    async with sessions() as session:
        return int(await session.scalar(query) or 0)


def _holder(folder: StateFolder) -> str:
    """Return the name that the lease's row has for the process of a state folder."""
    try:
        found = folder.lock.stat()
    except FileNotFoundError:
        return ""
    return f"{os.uname().nodename[:24]}:{found.st_dev:x}:{found.st_ino:x}"
