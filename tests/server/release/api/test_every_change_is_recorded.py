"""Every operation that changes something has an entry in the audit log, with its actor."""

import io
import json
import sqlite3
from contextlib import closing

import click
import pytest
from sqlalchemy import select

from server.cli import cli
from server.release.api.catalogue import OPERATIONS
from server.release.auth.audit_log_query import verify_audit_log
from server.storage.models import AuditLogEntry
from tests.programs import walk
from tests.server.release.api.test_submissions import TYPE, body_of
from tests.server.release.api.test_uploads import DATA, TUS, announcing, sending
from tests.server.release.api_world import api_world
from tests.server.world import PACKAGE_2

CHANNEL = "/channels/armani/id/stable"
PLAN = {"plan": {"stages": [{"permille": 10}]}}
LATER = {"plan": {"stages": [{"permille": 20}]}}

TOLD = {
    "create_upload": "upload.create",
    "append_to_upload": "upload.finish",
    "end_upload": "upload.remove",
    "submit": "submission.receive",
    "offer_release": "rollout.offer",
    "schedule_rollout": "rollout.schedule",
    "pause_rollout": "rollout.pause",
    "resume_rollout": "rollout.resume",
    "halt_rollout": "rollout.halt.done",
    "approve_change": "change.approve",
    "reject_change": "change.reject",
    "cancel_change": "change.cancel",
    "create_account": "account.create",
    "change_account": "account.change",
    "disable_account": "account.disable",
    "enable_account": "account.enable",
    "create_token": "token.create",
    "revoke_token": "token.revoke",
    "create_webhook": "webhook.create",
    "rotate_secret": "webhook.rotate",
    "disable_webhook": "webhook.disable",
    "enable_webhook": "webhook.enable",
    "ping_webhook": "webhook.ping",
    "redeliver_event": "webhook.redeliver",
}
PROPOSING = {"retire_model", "split_latest", "withdraw_release", "promote_release"}
"""These answer with what the holders of offline keys may sign, and change nothing."""
BY_NAME = {one.id: one for one in OPERATIONS}


def test_every_operation_is_in_the_table():
    """Every operation that changes something has its audit-log entry in the table."""
    changing = {one.id for one in OPERATIONS if one.method not in {"GET", "HEAD", "OPTIONS"}}
    assert changing == TOLD.keys() | PROPOSING


class Teller:
    """Calls operations and checks the audit log's new entries."""

    def __init__(self, api):
        self.api = api
        self.asked = set()

    async def audit_log(self):
        """Verify the audit log; return actor, action and subject of each entry."""
        async with self.api.services.sessions() as session:
            await verify_audit_log(session)
            rows = await session.scalars(select(AuditLogEntry).order_by(AuditLogEntry.index))
            return [(row.actor, row.action, row.subject) for row in rows]

    async def ask(self, name, path, token="admin", **options):
        """Call a changing operation, check its entry, and return its answer."""
        before = await self.audit_log()
        answer = await self.api.call(BY_NAME[name].method, path, token=token, **options)
        assert answer.status < 300, answer.data
        added = (await self.audit_log())[len(before) :]
        assert TOLD[name] in {action for _, action, _ in added}
        assert {actor for actor, _, _ in added} == {token}
        assert all(subject for _, _, subject in added)
        self.asked.add(name)
        return answer

    async def request(self, action, body, name=None):
        """Give the channel a command; return the id of its change."""
        operation = name or f"{action}_rollout"
        answer = await self.ask(
            operation, f"{CHANNEL}/{action}", "engineer", body=body, headers={"If-Match": "*"}
        )
        return answer.json["change"]["id"]


async def upload_and_submit(teller, world):
    """Create, delete and complete uploads, and submit a bundle."""

    async def begin(data):
        made = await teller.ask("create_upload", "/uploads", "engineer", headers=announcing(data))
        return made.headers["Location"].removeprefix("/api/v1")

    await teller.ask("end_upload", await begin(DATA), "engineer", headers=TUS)
    path = await begin(PACKAGE_2)
    await teller.ask("append_to_upload", path, "engineer", headers=sending(0), data=PACKAGE_2)
    bundle, body = body_of(world.second_release())
    sent = {"headers": TYPE, "data": io.BytesIO(body)}
    await teller.ask("submit", f"/submissions/{bundle}", "engineer", **sent)


async def run_commands(teller):
    """Give every rollout command, with and without two-person approval."""
    rollouts = teller.api.services.rollouts
    await teller.request("offer", PLAN, "offer_release")
    await teller.request("pause", {})
    await teller.request("resume", {})
    rollouts._approval_channels = ("*/*/stable",)
    for decision, who in (("approve", "approver"), ("reject", "approver"), ("cancel", "engineer")):
        change = await teller.request("schedule", LATER)
        body = {} if decision == "approve" else {"body": {}}
        await teller.ask(f"{decision}_change", f"/changes/{change}/{decision}", who, **body)
    await teller.request("halt", {})


async def manage_people(teller):
    """Create, change, disable and enable an account; make and revoke a token."""
    new = {"name": "ani", "role": "viewer", "codenames": ["armani"]}
    await teller.ask("create_account", "/accounts", body=new)
    match = {"If-Match": "*"}
    await teller.ask("change_account", "/accounts/ani", body={"role": "editor"}, headers=match)
    made = await teller.ask("create_token", "/tokens", body={"account": "ani", "label": "x"})
    await teller.ask("revoke_token", f"/tokens/{made.json['id']}/revoke")
    for action in ("disable", "enable"):
        await teller.ask(f"{action}_account", f"/accounts/ani/{action}")


async def manage_webhooks(teller):
    """Create, rotate, ping, disable and enable a webhook, and redeliver an event."""
    new = {"url": "https://hooks.example.org/x", "events": ["halted"]}
    made = await teller.ask("create_webhook", "/webhooks", body=new)
    path = f"/webhooks/{made.json['id']}"
    await teller.ask("rotate_secret", f"{path}/rotate", body={})
    ping = await teller.ask("ping_webhook", f"{path}/ping")
    for action in ("disable", "enable"):
        await teller.ask(f"{action}_webhook", f"{path}/{action}")
    again = f"{path}/deliveries/{ping.json['delivery']}/redeliver"
    await teller.ask("redeliver_event", again)


async def test_every_change_is_told(world):
    """Every changing operation adds its entry, and the chain verifies after each."""
    async with api_world(world) as api:
        teller = Teller(api)
        await upload_and_submit(teller, world)
        await api.services.publisher.process_incoming()
        await run_commands(teller)
        await manage_people(teller)
        await manage_webhooks(teller)
    assert teller.asked == TOLD.keys()


READING = """account list, backup, change list, change show, check, clock show, compat preview,
compat template, edge, export, keys list, owner-page, rollout preview, rollout show, session list,
token list, audit-log export, audit-log list, audit-log verify"""
KEY_PROCESS = "keys public, keys serve"  # has no database; its caller records what it does
PROPOSALS = "rollout promote, rollout retire, rollout split, rollout withdraw"
TOLD_BY_COMMANDS = {
    "account add": "account.create",
    "account disable": "account.disable",
    "account enable": "account.enable",
    "account set": "account.change",
    "change approve": "change.approve",
    "change cancel": "change.cancel",
    "change reject": "change.reject",
    "clock confirm": "clock.confirm",
    "gc": "server.gc",
    "init": "server.init",
    "keys new": "keys.new",
    "keys switch": "keys.switch",
    "migrate": "server.migrate",
    "move": "server.move",
    "rebuild": "server.rebuild",
    "rollout halt": "rollout.halt",
    "rollout offer": "rollout.offer",
    "rollout pause": "rollout.pause",
    "rollout resume": "rollout.resume",
    "rollout set": "rollout.schedule",
    "run": "submission.publish",
    "session end": "session.end",
    "token create": "token.create",
    "token revoke": "token.revoke",
}


def test_every_command_is_in_the_table():
    """Every command of the server is either in the table of recorded commands or read-only.

    The cloud's commands are left out: it is a separate service without this audit log.
    """
    names = {
        " ".join(words)
        for words, each in walk(cli)
        if not isinstance(each, click.Group) and words[0] != "cloud"
    }
    quiet = {" ".join(each.split()) for each in f"{READING}, {KEY_PROCESS}, {PROPOSALS}".split(",")}
    assert names == quiet | TOLD_BY_COMMANDS.keys()


SHELL = [
    ("account add ani --role viewer --codename armani", "account.create"),
    ("account set ani --role editor", "account.change"),
    ("token create ani --label x", "token.create"),
    ("account disable ani", "account.disable"),
    ("account enable ani", "account.enable"),
    ("rollout pause armani/id/stable", "rollout.pause"),
    ("rollout resume armani/id/stable", "rollout.resume"),
    ("rollout halt armani/id/stable", "rollout.halt"),
    ("keys new timestamp", "keys.new"),
    ("gc", "server.gc"),
    ("rebuild", "server.rebuild"),
    ("clock confirm", "clock.confirm"),
]


@pytest.fixture
def shell(world, capsys):
    """Return a function that runs a command on the state folder."""

    def call(words):
        cli.main([*words.split(), "--state", str(world.folder.root)], standalone_mode=False)
        capsys.readouterr()

    return call


def test_commands_are_told(shell, world):
    """Each command adds an entry with its action and its user."""

    def entries():
        with closing(sqlite3.connect(world.folder.sqlite)) as connection:
            query = 'SELECT actor, action, subject, detail FROM trail_entries ORDER BY "index"'
            return connection.execute(query).fetchall()

    before = entries()
    for words, action in SHELL:
        shell(words)
        after = entries()
        added = after[len(before) :]
        assert action in {row[1] for row in added}, words
        assert all(row[0].startswith("cli:") and row[2] for row in added)
        assert all(isinstance(json.loads(row[3]), dict) for row in added)
        before = after
