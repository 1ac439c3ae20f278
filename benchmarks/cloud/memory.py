"""Measure the memory of a node: many concurrent uploads, and many idle connections."""

import asyncio
import hashlib
import os
import resource
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp

from benchmarks.cloud.node import Node
from benchmarks.cloud.owner import Owner

SIZE = 16 * 1024 * 1024
"""The bytes of one of restic's pack files."""
AT_ONCE = 200  # connections that are opened concurrently


async def measure_uploads(node: Node, owner: Owner, count: int) -> float:
    """Return a node's peak memory in MiB after `count` concurrent uploads of packs."""
    headers = {"Authorization": aiohttp.encode_basic_auth(owner.name, await owner.make_token())}
    vault = f"{node.url}/blobs/memory/"
    async with owner.http.post(f"{vault}?create=true", headers=headers) as made:
        made.raise_for_status()

    async def upload() -> None:
        body = await asyncio.to_thread(os.urandom, SIZE)
        name = hashlib.sha256(body).hexdigest()
        address, is_stored = f"{vault}data/{name}", False
        while not is_stored:  # 503: the disk has been busy for long
            async with owner.http.post(address, data=body, headers=headers) as answer:
                is_stored = answer.status == HTTPStatus.OK

    async with asyncio.TaskGroup() as uploads:
        for _ in range(count):
            uploads.create_task(upload())
    return node.memory("VmHWM")


async def measure_idle(node: Node, count: int) -> float:
    """Return a node's memory in MiB while `count` connections are open and idle.

    Each has sent one request: the one that a device sends before it computes its key.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    address = urlsplit(node.url)
    request = (
        f"GET /api/v1/authentication/is_etebase/ HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n"
    ).encode()
    turns, writers = asyncio.Semaphore(AT_ONCE), []

    async def ask() -> None:
        async with turns:
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(request)
            await reader.readuntil(b"\r\n\r\n")
            writers.append(writer)

    async with asyncio.TaskGroup() as asking:
        for _ in range(count):
            asking.create_task(ask())
    used = node.memory()
    for writer in writers:
        writer.close()
    return used
