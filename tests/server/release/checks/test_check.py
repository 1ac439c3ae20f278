"""Rows that contradict the audit log: one alteration a row, on a copy of a team's database."""

import asyncio
import shutil
from types import SimpleNamespace

from server.release.auth.accounts import create_account
from server.release.auth.principal import Role
from server.release.checks.check import check_control_plane
from server.storage.database import open_database
from server.storage.layout import StateFolder
from tests.cases import case
from tests.server.publisher.maintenance.checks.damage import plant, run
from tests.server.release.checks.conftest import OPERATOR

LAST = '(SELECT max("index") FROM trail_entries)'
HASH = 'SELECT sha256 FROM trail_entries ORDER BY "index" DESC LIMIT 1'
WAITING = "state = 'waiting'"
DAMAGE = {
    "account promoted": (
        run("UPDATE accounts SET role = 'admin' WHERE name = 'vi'"),
        ("accounts", "the account vi is admin, and viewer by the audit log"),
    ),
    "account with more codenames": (
        run("UPDATE accounts SET codenames = '[\"*\"]' || char(10) WHERE name = 'vi'"),
        ("accounts", "the account vi has other codenames"),
    ),
    "account of many codenames with another one": (
        run("UPDATE accounts SET codenames = replace(codenames, 'model149', 'model999')"),
        ("accounts", "the account eka has other codenames"),
    ),
    "account of junk": (
        run("UPDATE accounts SET codenames = 'junk' WHERE name = 'vi'"),
        ("accounts", "the account vi has other codenames"),
    ),
    "account with another login": (
        run("UPDATE accounts SET subject = 'mallory' WHERE name = 'adm'"),
        ("accounts", "the account adm has another login"),
    ),
    "account opened again": (
        run("UPDATE accounts SET disabled_at = NULL WHERE name = 'old'"),
        ("accounts", "the account old is open, and disabled by the audit log"),
    ),
    "account shut": (
        run("UPDATE accounts SET disabled_at = 1 WHERE name = 'ari'"),
        ("accounts", "the account ari is disabled, and open by the audit log"),
    ),
    "account removed": (
        run("DELETE FROM accounts WHERE name = 'vi'"),
        ("accounts", "the account vi is gone"),
    ),
    "account planted": (
        plant("accounts", "name = 'eve', subject = NULL"),
        ("accounts", "the audit log has no creation of the account eve"),
    ),
    "token for longer": (
        run("UPDATE tokens SET expires_at = 9999999999 WHERE account = 'vi'"),
        ("tokens", "the token 000000000003 of vi has another expiry"),
    ),
    "token with more rights": (
        run(
            "UPDATE tokens SET permissions = (SELECT permissions FROM tokens WHERE account = 'adm')"
        ),
        ("tokens", "the token 000000000003 of vi has another rights"),
    ),
    "token of another account": (
        run("UPDATE tokens SET account = 'adm' WHERE account = 'vi'"),
        ("tokens", "the token 000000000003 of adm has another account"),
    ),
    "token with another secret": (
        run(f"UPDATE tokens SET secret_sha256 = '{'0' * 64}' WHERE account = 'vi'"),
        ("tokens", "the token 000000000003 of vi has another secret"),
    ),
    "token valid again": (
        run("UPDATE tokens SET revoked_at = NULL WHERE account = 'adm'"),
        ("tokens", "the token 000000000001 of adm has another revocation"),
    ),
    "token of a disabled account valid again": (
        run("UPDATE tokens SET revoked_at = NULL WHERE account = 'old'"),
        ("tokens", "the token 000000000004 of old has another revocation"),
    ),
    "token removed": (
        run("DELETE FROM tokens WHERE account = 'vi'"),
        ("tokens", "the token 000000000003 is gone"),
    ),
    "token planted": (
        plant("tokens", "id = 'feedfeedfeed'"),
        ("tokens", "the audit log has no creation of the token feedfeedfeed of"),
    ),
    "session planted": (
        plant("web_sessions", "id = 's-1', account = 'adm', secret_sha256 = 'x'"),
        ("sessions", "the audit log has no start of the session s-1 of adm"),
    ),
    "session of another account": (
        run("UPDATE web_sessions SET account = 'adm' WHERE account = 'eka'"),
        ("sessions", "of adm: the database was edited by hand"),
    ),
    "session open again": (
        run("UPDATE web_sessions SET ended_at = NULL WHERE account = 'vi'"),
        ("sessions", "of vi was ended, and is open"),
    ),
    "approval forged": (
        run(f"UPDATE changes SET state = 'approved', approved_by = 'ari' WHERE {WAITING}"),
        ("changes", "has another approval and state than by the audit log"),
    ),
    "change altered": (
        run(f"UPDATE changes SET arguments = replace(arguments, '300', '999') WHERE {WAITING}"),
        ("changes", "has another command than by the audit log"),
    ),
    "change of junk": (
        run(f"UPDATE changes SET arguments = 'junk' WHERE {WAITING}"),
        ("changes", "has another command"),
    ),
    "change for another channel": (
        run(f"UPDATE changes SET subject = 'dior/id/stable' WHERE {WAITING}"),
        ("changes", "(schedule of dior/id/stable) has another channel"),
    ),
    "change of another account": (
        run(f"UPDATE changes SET proposed_by = 'ari' WHERE {WAITING}"),
        ("changes", "has another proposer"),
    ),
    "change due sooner": (
        run("UPDATE changes SET due_at = 1 WHERE state = 'approved'"),
        ("changes", "has another time"),
    ),
    "change wanted again": (
        run("UPDATE changes SET state = 'approved', finished_at = NULL WHERE state = 'cancelled'"),
        ("changes", "has another state"),
    ),
    "change never done": (
        run("UPDATE changes SET state = 'refused' WHERE state = 'done'"),
        ("changes", "has another state"),
    ),
    "change removed": (
        run(f"DELETE FROM changes WHERE {WAITING}"),
        ("changes", "(schedule of armani/id/stable) is gone"),
    ),
    "change planted": (
        plant("changes", "id = 'feed', state = 'approved'"),
        ("changes", "no audit log entry makes the change feed ("),
    ),
    "webhook with another address": (
        run(f"UPDATE webhooks SET url = 'https://evil.example' WHERE id = '{1:032x}'"),
        ("webhooks", f"the webhook {1:032x} has another address or secret than"),
    ),
    "webhook told of more": (
        run(f"UPDATE webhooks SET events = '[\"expiring\"]' WHERE id = '{1:032x}'"),
        ("webhooks", f"the webhook {1:032x} has another choice of events"),
    ),
    "webhook on again": (
        run("UPDATE webhooks SET disabled_at = NULL"),
        ("webhooks", f"the webhook {2:032x} has another state"),
    ),
    "webhook planted": (
        plant("webhooks", "id = 'feed'"),
        ("webhooks", "the audit log has no creation of the webhook feed"),
    ),
    "entry altered": (
        run("UPDATE trail_entries SET actor = 'x' WHERE \"index\" = 3"),
        ("audit-log", "entry 3 of the audit log is not what was recorded"),
    ),
    "entry of junk": (
        run("UPDATE trail_entries SET detail = 'junk' WHERE \"index\" = 3"),
        ("audit-log", "entry 3 of the audit log is malformed"),
    ),
    "entry removed": (
        run('DELETE FROM trail_entries WHERE "index" = 3'),
        ("audit-log", "entry 3 of the audit log is missing"),
    ),
    "audit log cut": (
        run(f'DELETE FROM trail_entries WHERE "index" = {LAST}'),
        ("audit-log", "the audit log ends at entry"),
    ),
    "audit log cut and its head made to fit": (
        run(
            f'DELETE FROM trail_entries WHERE "index" = {LAST}',
            f"UPDATE trail_head SET length = {LAST}, sha256 = ({HASH})",
        ),
        ("changes", "has another state than by the audit log"),
    ),
    "head removed": (
        run("DELETE FROM trail_head"),
        ("audit-log", "the head of the audit log is gone"),
    ),
}


async def test_a_team_at_work_is_in_order(team, wrong):
    """Accounts, tokens, sessions and commands in every state match the audit log."""
    assert await wrong(team) == []


async def test_each_alteration_is_found(team_state, tmp_path, wrong):
    """The alteration is named in a sentence, and nothing else is."""
    world = SimpleNamespace(folder=StateFolder(tmp_path))
    for name, (alter, (subject, text)) in DAMAGE.items():
        with case(name):
            await asyncio.to_thread(copy_database, team_state.folder.sqlite, tmp_path)
            await asyncio.to_thread(alter, tmp_path)
            found = await wrong(world)
            assert [error for each, error in found if each == subject and text in error]
            assert all(error.endswith(".") for _, error in found)
            if subject != "audit-log":
                assert {each for each, _ in found} == {subject}


def copy_database(source, folder):
    """Let a folder have nothing but a copy of a database."""
    for path in folder.iterdir():
        path.unlink()
    shutil.copy(source, folder)


async def test_people_who_come_meanwhile_are_in_order(team):
    """Rows and entries written between two reads are no damage."""
    async with open_database(team.folder.database) as sessions:
        count = 0

        class Busy:
            """A database in which an account is made before each read."""

            async def __aenter__(self):
                nonlocal count
                count += 1
                async with sessions.begin() as session:
                    await create_account(
                        session,
                        OPERATOR,
                        name=f"new{count}",
                        role=Role.VIEWER,
                        codenames=["*"],
                        at=team.epoch(),
                    )
                self._session = sessions()
                return await self._session.__aenter__()

            async def __aexit__(self, *error):
                return await self._session.__aexit__(*error)

        found = await check_control_plane(Busy)
    assert [finding for finding in found if finding.error] == []
    assert count > 1
