"""A team's accounts on one state folder, and the service for rollout commands."""

import asyncio
import contextlib
import itertools

from server.core.pointer import decode_pointer
from server.publisher.publisher import Publisher
from server.publisher.read_back import DiskReadBack
from server.release.auth.principal import Role
from server.release.rollouts.commands import ChangeRequest, accept_offer
from server.release.rollouts.rollouts import ChangePolicy, Rollouts
from server.storage.database import open_database
from server.storage.models import Account
from tests.server.release.auth.issue import account_row, audit_log, principal
from tests.server.world import CHANNEL

DAY = 86_400
NUMBERS = itertools.count(1)


ENGINEER, APPROVER = principal("eka"), principal("ari", Role.APPROVER)
ACCOUNTS = {
    "eka": Role.ENGINEER,
    "operator-0": Role.ENGINEER,
    "operator-1": Role.ENGINEER,
    "ari": Role.APPROVER,
    "ida": Role.APPROVER,
}


class Harness:
    """The rollout service on a world; NUMBERS makes the ids of changes."""

    def __init__(
        self, world, sessions, publisher, approval=(), rewordings=100, check_offer=accept_offer
    ):
        self.world, self.sessions = world, sessions
        self.alarms = []
        self.rollouts = Rollouts(
            world.folder,
            sessions,
            publisher,
            world.now,
            lambda size: next(NUMBERS).to_bytes(size, "big"),
            ChangePolicy(rewordings, approval, check_offer),
            self.alarms.append,
        )

    async def tag(self):
        """Return the channel's entity tag."""
        return (await self.rollouts.view(CHANNEL)).etag

    async def pointer(self):
        """Return the channel's pointer."""
        return (await self.rollouts.view(CHANNEL)).pointer

    async def versions(self):
        """Return the public versions of snapshot and latest."""
        published = await asyncio.to_thread(self.world.published)
        return published.snapshot.version, published.roles["latest"].version

    async def request(self, command, who=ENGINEER, *, if_match=None, due_at=None, note=""):
        """Give one command, with the current tag unless `if_match` is given."""
        request = ChangeRequest(
            CHANNEL, command, await self.tag() if if_match is None else if_match, note
        )
        return (await self.rollouts.request(who, [request], due_at=due_at))[0]

    async def audit_log(self):
        """Verify the audit log, and return actor and action of each entry about commands."""
        return [
            (entry.actor, entry.action)
            for entry in await audit_log(self.sessions)
            if not entry.action.startswith("submission.")
        ]


@contextlib.asynccontextmanager
async def open_harness(world, approval=(), rewordings=100, check_offer=accept_offer, **publisher):
    """Open the rollout service on a world with the team's accounts."""
    async with open_database(world.folder.database) as sessions:
        async with sessions.begin() as session:
            if await session.get(Account, "eka") is None:
                session.add_all(account_row(name, role) for name, role in ACCOUNTS.items())
        made = Publisher(
            world.folder,
            sessions,
            world.now,
            DiskReadBack(world.folder.public),
            world.alarms.append,
            **publisher,
        )
        async with made.read_backs:
            yield Harness(world, sessions, made, approval, rewordings, check_offer)


class CrashError(Exception):
    """Simulates a crash of the process."""


def crash_at(step):
    """Return a callback for `after_step` that crashes after `step`."""

    def crash(done):
        if done == step:
            raise CrashError

    return crash


PACKAGE = {"p": "armani/id/stable/a.zip", "z": 1, "x": "0" * 64, "b": []}
STEP = {"n": 1, "t": 1, "l": "2026-01-05", "m": 0, "k": [PACKAGE]}


def make_pointer(schedule=((10, 100),)):
    """Return a pointer with one step and one package."""
    custom = {"v": 1, "s": [STEP], "p": False, "h": False, "t": {}}
    return decode_pointer(CHANNEL.pointer_path, custom | {"r": [list(pair) for pair in schedule]})
