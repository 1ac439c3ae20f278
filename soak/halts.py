"""Measures halts while a server is attacked, and checks that each is published.

`python -m soak.halts --halts 120` runs a real server on loopback. It prints how long halts took
without an attack, under each attack of `held_up`, and under all together. The exit status is 1 if a
halt was lost, and with `--goals` also if halts were too slow, which is only meaningful on an
otherwise idle machine.
"""

import argparse
import asyncio
import contextlib
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import aiohttp

from server.publisher.published import load_published
from server.release.auth.accounts import create_account
from server.release.auth.principal import Role, command_line_principal
from server.release.auth.tokens import create_token
from server.storage.database import open_database
from soak.held_up import ATTACKS, HALT
from soak.publishing import Publishing
from soak.server_process import REPOSITORY, run_server
from tests.ports import free_port
from tests.server.world import CHANNEL, World

ANSWER_SECONDS = 120.0  # after which a halt counts as lost
GOALS: Mapping[str, float] = MappingProxyType({"p99": 1000, "worst": 3000})  # milliseconds


@dataclass(frozen=True, slots=True)
class Besieged:
    """A server under attack: its ports, its state, and the tokens of an engineer and a viewer."""

    api: int
    urgent: int
    world: World
    token: str
    viewer: str


async def make_token(world: World, role: Role) -> str:
    """Return a token of a new account with `role`."""
    who, at = command_line_principal("soak"), int(time.time())
    async with open_database(world.folder.database) as sessions, sessions.begin() as session:
        await create_account(session, who, name=role, role=role, codenames=["*"], at=at)
        made = await create_token(
            session, who, os.urandom, account=role, label="soak", expires_at=at + 86_400, at=at
        )
    return made.text


@contextlib.asynccontextmanager
async def besieged(world: World) -> AsyncIterator[Besieged]:
    """Run a server with control plane, console and urgent port; its state offers a release."""
    tokens = [await make_token(world, role) for role in (Role.ENGINEER, Role.VIEWER)]
    api, urgent = free_port(), free_port()
    options = ["--api-port", str(api), "--urgent-port", str(urgent), "--console"]
    async with run_server(world.folder.root, free_port(), None, options):
        yield Besieged(api, urgent, world, *tokens)


@contextlib.asynccontextmanager
async def attacking(server: Besieged, name: str) -> AsyncIterator[None]:
    """Run the attack `name` in another process until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "soak.held_up", name, str(server.api), str(server.urgent)),
        cwd=REPOSITORY,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the attack has no pipes")
        process.stdin.write(f"{server.viewer}\n{server.token}\n".encode())
        await process.stdout.readline()
        yield
    finally:
        process.kill()
        await process.wait()


async def halt(server: Besieged, reason: str) -> float:
    """Halt a channel and return the seconds it took.

    Raises RuntimeError if the answer is not 200 or the halt is not published.
    """
    headers = {"Authorization": f"Bearer {server.token}"}
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    begun = time.monotonic()
    async with aiohttp.ClientSession(timeout=timeout) as session:
        url = f"http://127.0.0.1:{server.urgent}{HALT}"
        body = {"reason": {"en": reason}}
        async with session.post(url, json=body, headers=headers) as response:
            told = await response.text()
            if response.status != 200:
                raise RuntimeError(f"a halt was answered {response.status}: {told}")
    seconds = time.monotonic() - begun
    published = await asyncio.to_thread(load_published, server.world.folder.public)
    pointer = None if published is None else published.pointers()[CHANNEL.pointer_path]
    if pointer is None or not pointer.halted or dict(pointer.reason) != {"en": reason}:
        raise RuntimeError("a halt was answered and is not public")
    return seconds


async def measure(server: Besieged, name: str, halts: int) -> list[float]:
    """Return the seconds that each of `halts` halts took under an attack."""
    async with attacking(server, name):
        seconds = [await halt(server, f"{name} {number}") for number in range(halts)]
    sys.stderr.write(f"{name}: {halts} halts\n")
    return seconds


async def _run(halts: int) -> dict[str, list[float]]:
    with tempfile.TemporaryDirectory(prefix="hening-halts-") as place:
        publishing = await asyncio.to_thread(Publishing, Path(place))
        async with besieged(publishing.world) as server:
            idle = [await halt(server, f"idle {number}") for number in range(halts)]
            under = {name: await measure(server, name, halts) for name in ATTACKS}
    return {"idle": idle, **under}


def _percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of all do not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


def find_slow(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return the attacks under which halts took longer than GOALS; `found` is in milliseconds."""
    return [
        name for name, row in found.items() if any(row[what] > most for what, most in GOALS.items())
    ]


def _goals() -> str:
    return ", ".join(f"{what} {most:.0f} ms" for what, most in GOALS.items())


def main() -> None:
    """Measure, and print milliseconds by attack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--halts", type=int, default=120, help="halts under each attack")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--goals", action="store_true", help=f"fail beyond {_goals()}")
    arguments = parser.parse_args()
    # Each halt has another reason, and one account sends all: the default may be too low.
    os.environ.setdefault("HENING_REWORDINGS_PER_DAY", "10000")
    found = {
        name: {
            "p50": _percentile(seconds, 0.5) * 1000,
            "p99": _percentile(seconds, 0.99) * 1000,
            "worst": max(seconds) * 1000,
        }
        for name, seconds in asyncio.run(_run(arguments.halts)).items()
    }
    if arguments.json:
        sys.stdout.write(json.dumps(found) + "\n")
    for name, row in () if arguments.json else found.items():
        told = ", ".join(f"{what} {value:.0f} ms" for what, value in row.items())
        slow = f" (the goal is {_goals()})" if find_slow({name: row}) else ""
        sys.stdout.write(f"{name}: {arguments.halts} halts, {told}{slow}\n")
    sys.exit(1 if arguments.goals and find_slow(found) else 0)


if __name__ == "__main__":
    main()
