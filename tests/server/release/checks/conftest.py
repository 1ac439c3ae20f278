"""A team: accounts, tokens, sessions, webhooks, commands in every state, findings of `check`."""

import asyncio
import itertools

import pytest

from server.release.auth.accounts import (
    change_account,
    disable_account,
    enable_account,
)
from server.release.auth.principal import Permission, Role
from server.release.auth.tokens import revoke_token
from server.release.auth.web_sessions import Origin, begin_session, end_session
from server.release.checks.check import check_control_plane
from server.release.rollouts.commands import Offer, Pause, Schedule
from server.release.rollouts.plan import Plan, Stage
from server.release.webhooks.directory import create_webhook, disable_webhook, rotate_secret
from server.storage.database import open_database
from tests.server.release.auth.issue import OPERATOR, new_account, new_token
from tests.server.release.rollouts.harness import APPROVER, ENGINEER, open_harness, person
from tests.server.world import PACKAGE_2

ADMIN = person("adm", Role.ADMIN)
DAY = 86_400
TOKENS = ("adm", "eka", "vi", "old")
"""The accounts of the tokens, in this order: their ids are 000000000001 to 000000000004."""


async def hire(sessions, at):
    """Make five accounts, four tokens and two sessions; some are ended."""
    numbers = itertools.count(1)

    def entropy(size):
        return next(numbers).to_bytes(size, "big")

    async with sessions.begin() as session:
        for name, role, codenames in (
            ("adm", Role.ADMIN, ["*"]),
            ("ari", Role.APPROVER, ["*"]),
            ("eka", Role.ENGINEER, ["armani", *(f"model{number:03}" for number in range(150))]),
            ("old", Role.EDITOR, ["armani"]),
            ("vi", Role.EDITOR, ["armani"]),
        ):
            await new_account(session, name, role, codenames, at=at)
        await change_account(session, OPERATOR, name="vi", role=Role.VIEWER, subject="vi@x", at=at)
        for number, account in enumerate(TOKENS, start=1):
            only = [Permission.READ] if account == "vi" else None
            ids = iter([number.to_bytes(6, "big"), entropy(32)])
            draw = lambda _size, ids=ids: next(ids)  # noqa: E731
            await new_token(session, account, only=only, entropy=draw, seconds=DAY, at=at)
        await revoke_token(session, OPERATOR, identity="000000000001", at=at)
        await begin_session(session, entropy, Origin("eka", token="000000000002"), at=at)
        begun = await begin_session(session, entropy, Origin("vi", subject="vi@x"), at=at)
        await end_session(session, OPERATOR, identity=begun.row.id, at=at)
        await disable_account(session, OPERATOR, name="old", at=at)
        await disable_account(session, OPERATOR, name="ari", at=at)
        await enable_account(session, OPERATOR, name="ari", at=at)


async def make_webhooks(sessions, at):
    """Make two webhooks, ids 00…1 and 00…2, and switch the second one off."""
    for number in (1, 2):
        await create_webhook(
            sessions,
            ADMIN,
            "https://hooks.example/in",
            ["halted", "published"],
            at,
            lambda size, number=number: number.to_bytes(size, "big"),
            private=False,
        )
    await disable_webhook(sessions, ADMIN, f"{2:032x}", at)
    await rotate_secret(sessions, ADMIN, f"{1:032x}", 60, at, bytes)


async def run_commands(harness):
    """Give commands: done, waiting, approved for tomorrow, cancelled, rejected."""

    async def schedule(permille, **options):
        return await harness.request(Schedule(Plan(stages=[Stage(permille)])), **options)

    tomorrow = harness.world.epoch() + DAY
    offered = await harness.request(Offer(2, Plan(stages=[Stage(10)])))
    await harness.rollouts.approve(APPROVER, offered.id)
    await harness.request(Pause(reason={"en": "a pause"}))
    await schedule(300)
    approved = await schedule(500, due_at=tomorrow)
    await harness.rollouts.approve(APPROVER, approved.id)
    cancelled = await schedule(600, due_at=tomorrow)
    await harness.rollouts.cancel(ENGINEER, cancelled.id, "not wanted")
    rejected = await schedule(700)
    await harness.rollouts.reject(APPROVER, rejected.id, "too much")


@pytest.fixture(scope="module")
def team_state(published_state, tmp_path_factory):
    """Give a server with a team; do not change it, copy it."""
    world = published_state.copy(tmp_path_factory.mktemp("team") / "state")
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""

    async def fill():
        # First, and recorded: the harness makes missing accounts.
        async with open_database(world.folder.database) as sessions:
            await hire(sessions, world.epoch())
        async with open_harness(world, ("*/*/stable",)) as harness:
            await make_webhooks(harness.sessions, world.epoch())
            await run_commands(harness)

    asyncio.run(fill())
    return world


@pytest.fixture
def team(team_state, tmp_path):
    """Give a private copy of such a server."""
    return team_state.copy(tmp_path / "state")


@pytest.fixture
def wrong():
    """Give a function that returns subject and sentence of every finding about a database."""

    async def look(world):
        async with open_database(world.folder.database) as sessions:
            found = await check_control_plane(sessions)
        return [(finding.subject, finding.error) for finding in found if finding.error]

    return look
