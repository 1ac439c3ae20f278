"""Findings of `check` about rows that contradict the audit log, one altered row at a time."""

import asyncio
import itertools
import shutil
from types import SimpleNamespace

import pytest

from server.release.auth.accounts import change_account, disable_account, enable_account
from server.release.auth.principal import Permission, Role
from server.release.auth.tokens import revoke_token
from server.release.auth.web_sessions import Origin, begin_session, end_session
from server.release.checks import check_control_plane
from server.release.rollouts.commands import Offer, Pause, Schedule
from server.release.rollouts.plan import Plan, Stage
from server.release.webhooks.directory import create_webhook, disable_webhook, rotate_secret
from server.storage.database import open_database
from server.storage.layout import StateFolder
from tests.cases import case
from tests.server.publisher.maintenance.checks.damage import plant, run
from tests.server.release.auth.issue import OPERATOR, new_account, new_token, principal
from tests.server.release.rollouts.harness import APPROVER, ENGINEER, open_harness

ADMIN = principal("adm", Role.ADMIN)
DAY = 86_400
TOKENS = ("adm", "eka", "vi", "old")
"""The accounts of the four tokens, in the order of their ids 000000000001 to 000000000004."""


async def add_accounts(sessions, at):
    """Make five accounts, four tokens and two sessions; end some of them."""
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
    """Make two webhooks with the ids 00…1 and 00…2, and disable the second."""
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
    """Give commands that are done, waiting, approved for tomorrow, cancelled and rejected."""

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
def team_state(second_state, tmp_path_factory):
    """Return a server with a team. Tests must copy it, not change it."""
    world = second_state.copy(tmp_path_factory.mktemp("team") / "state")

    async def fill():
        # First of all, so that the accounts are recorded: the harness makes missing ones.
        async with open_database(world.folder.database) as sessions:
            await add_accounts(sessions, world.epoch())
        async with open_harness(world, ("*/*/stable",)) as harness:
            await make_webhooks(harness.sessions, world.epoch())
            await run_commands(harness)

    asyncio.run(fill())
    return world


@pytest.fixture
def team(team_state, tmp_path):
    """Return a test's own copy of such a server."""
    return team_state.copy(tmp_path / "state")


async def find(world):
    """Return each finding's subject and sentence."""
    async with open_database(world.folder.database) as sessions:
        found = await check_control_plane(sessions)
    return [(finding.subject, finding.error) for finding in found if finding.error]


VI, JUNK = "name = 'vi'", f"secret_sha256 = '{'0' * 64}'"
OF_VI, WAITING = "account = 'vi'", "state = 'waiting'"
FIRST, SECOND = f"{1:032x}", f"{2:032x}"
RIGHTS = "permissions = (SELECT permissions FROM tokens WHERE account = 'adm')"
#: By subject and table: the columns to set and where, or None for rows to delete.
ALTERED = {
    ("accounts", "accounts"): [
        ("role = 'admin'", VI, "the account vi is admin, but viewer in the audit log"),
        ("codenames = '[\"*\"]' || char(10)", VI, "the account vi has other codenames"),
        ("codenames = replace(codenames, 'model149', 'x')", "1", "account eka has other codenames"),
        ("codenames = 'junk'", VI, "the account vi has other codenames"),
        ("subject = 'mallory'", "name = 'adm'", "the account adm has another login"),
        (
            "disabled_at = NULL",
            "name = 'old'",
            "account old is open, but disabled in the audit log",
        ),
        ("disabled_at = 1", "name = 'ari'", "account ari is disabled, but open in the audit log"),
        (None, VI, "the account vi is gone"),
    ],
    ("tokens", "tokens"): [
        ("expires_at = 9999999999", OF_VI, "the token 000000000003 of vi has another expiry"),
        (RIGHTS, OF_VI, "the token 000000000003 of vi has another rights"),
        ("account = 'adm'", OF_VI, "the token 000000000003 of adm has another account"),
        (JUNK, OF_VI, "the token 000000000003 of vi has another secret"),
        ("revoked_at = NULL", "account = 'adm'", "000000000001 of adm has another revocation"),
        ("revoked_at = NULL", "account = 'old'", "000000000004 of old has another revocation"),
        (None, OF_VI, "the token 000000000003 is gone"),
    ],
    ("sessions", "web_sessions"): [
        ("account = 'adm'", "account = 'eka'", "of adm: the database was edited by hand"),
        ("ended_at = NULL", OF_VI, "of vi is open, but ended in the audit log"),
    ],
    ("changes", "changes"): [
        ("state = 'approved', approved_by = 'ari'", WAITING, "has another approval and state than"),
        (
            "arguments = replace(arguments, '300', '999')",
            WAITING,
            "has another command than in the",
        ),
        ("arguments = 'junk'", WAITING, "has another command"),
        ("subject = 'dior/id/stable'", WAITING, "schedule of dior/id/stable) has another channel"),
        ("proposed_by = 'ari'", WAITING, "has another proposer"),
        ("due_at = 1", "state = 'approved'", "has another time"),
        ("state = 'approved', finished_at = NULL", "state = 'cancelled'", "has another state"),
        ("state = 'refused'", "state = 'done'", "has another state"),
        (None, WAITING, "(schedule of armani/id/stable) is gone"),
    ],
    ("webhooks", "webhooks"): [
        ("url = 'https://a.example'", f"id = '{FIRST}'", f"{FIRST} has another address or secret"),
        ("events = '[\"expiring\"]'", f"id = '{FIRST}'", f"{FIRST} has another choice of events"),
        ("disabled_at = NULL", "1", f"the webhook {SECOND} has another state"),
    ],
    ("audit-log", "trail_entries"): [
        ("detail = 'junk'", '"index" = 3', "entry 3 of the audit log is malformed"),
        (None, '"index" = 3', "entry 3 of the audit log is missing"),
    ],
}
PLANTED = {
    ("accounts", "accounts"): (
        "name = 'eve', subject = NULL",
        "not record the creation of the account eve",
    ),
    ("tokens", "tokens"): (
        "id = 'feedfeedfeed'",
        "not record the creation of the token feedfeedfeed of",
    ),
    ("sessions", "web_sessions"): (
        "id = 's-1', account = 'adm', secret_sha256 = 'x'",
        "the audit log does not record the start of the session s-1 of adm",
    ),
    ("changes", "changes"): (
        "id = 'feed', state = 'approved'",
        "the audit log does not record the change feed (",
    ),
    ("webhooks", "webhooks"): ("id = 'feed'", "not record the creation of the webhook feed"),
}
LAST = '(SELECT max("index") FROM trail_entries)'
HASH = 'SELECT sha256 FROM trail_entries ORDER BY "index" DESC LIMIT 1'
TRUNCATED = run(
    f'DELETE FROM trail_entries WHERE "index" = {LAST}',
    f"UPDATE trail_head SET length = {LAST}, sha256 = ({HASH})",
)


def alterations():
    """Yield each alteration with its finding's subject and text."""
    for (subject, table), rows in ALTERED.items():
        for columns, where, sentence in rows:
            verb = f"UPDATE {table} SET {columns}" if columns else f"DELETE FROM {table}"
            yield run(f"{verb} WHERE {where}"), subject, sentence
    for (subject, table), (columns, sentence) in PLANTED.items():
        yield plant(table, columns), subject, sentence
    yield TRUNCATED, "changes", "has another state than in the audit log"


async def test_intact_state_has_no_findings(team):
    """Accounts, tokens, sessions and commands in every state cause no finding."""
    assert await find(team) == []


async def test_each_alteration_is_found(team_state, tmp_path):
    """Each alteration causes exactly one finding."""
    world = SimpleNamespace(folder=StateFolder(tmp_path))
    for alter, subject, sentence in alterations():
        with case(subject, sentence):
            await asyncio.to_thread(copy_database, team_state.folder.sqlite, tmp_path)
            await asyncio.to_thread(alter, tmp_path)
            found = await find(world)
            assert [error for each, error in found if each == subject and sentence in error]
            assert all(error.endswith(".") for _, error in found)
            if subject != "audit-log":
                assert {each for each, _ in found} == {subject}


def copy_database(source, folder):
    """Make a folder that has only a copy of a database."""
    for path in folder.iterdir():
        path.unlink()
    shutil.copy(source, folder)


async def test_accounts_made_between_two_reads(team):
    """Accounts made between two reads cause no finding."""
    async with open_database(team.folder.database) as sessions:
        count = 0

        class Busy:
            """A database in which an account is made before each read."""

            async def __aenter__(self):
                nonlocal count
                count += 1
                async with sessions.begin() as session:
                    await new_account(session, f"new{count}", at=team.epoch())
                self._session = sessions()
                return await self._session.__aenter__()

            async def __aexit__(self, *error):
                return await self._session.__aexit__(*error)

        found = await check_control_plane(Busy)
    assert [finding for finding in found if finding.error] == []
    assert count > 1
