"""Every operation that changes something has an entry in the audit log, with its actor."""

import io
import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import click

from server.cli import cli
from server.release.api.catalogue import OPERATIONS
from tests.programs import walk
from tests.server.release.api.test_submissions import TYPE, body_of
from tests.server.release.api.test_uploads import DATA, TUS, announcing, sending
from tests.server.release.api_world import api_world
from tests.server.release.auth.issue import audit_log
from tests.server.world import PACKAGE_2

CHANNEL = "/channels/armani/id/stable"
PLAN = {"plan": {"stages": [{"permille": 10}]}}
LATER = {"plan": {"stages": [{"permille": 20}]}}

ACTIONS = {
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
    assert changing == ACTIONS.keys() | PROPOSING


class Recorded:
    """Calls operations and checks the audit log's new entries."""

    def __init__(self, api):
        self.api = api
        self.asked = set()

    async def ask(self, name, path, token="admin", **options):
        """Call a changing operation, check its entry, and return its answer."""
        sessions = self.api.services.sessions
        before = await audit_log(sessions)
        answer = await self.api.call(BY_NAME[name].method, path, token=token, **options)
        assert answer.status < 300, answer.data
        added = (await audit_log(sessions))[len(before) :]
        assert ACTIONS[name] in {entry.action for entry in added}
        assert {entry.actor for entry in added} == {token}
        assert all(entry.subject for entry in added)
        self.asked.add(name)
        return answer

    async def request(self, action, body, name=None):
        """Give the channel a command; return the id of its change."""
        operation = name or f"{action}_rollout"
        answer = await self.ask(
            operation, f"{CHANNEL}/{action}", "engineer", body=body, headers={"If-Match": "*"}
        )
        return answer.json["change"]["id"]


async def upload_and_submit(recorded, world):
    """Create, delete and complete uploads, and submit a bundle."""

    async def begin(data):
        made = await recorded.ask("create_upload", "/uploads", "engineer", headers=announcing(data))
        return made.headers["Location"].removeprefix("/api/v1")

    await recorded.ask("end_upload", await begin(DATA), "engineer", headers=TUS)
    path = await begin(PACKAGE_2)
    await recorded.ask("append_to_upload", path, "engineer", headers=sending(0), data=PACKAGE_2)
    bundle, body = body_of(world.second_release())
    sent = {"headers": TYPE, "data": io.BytesIO(body)}
    await recorded.ask("submit", f"/submissions/{bundle}", "engineer", **sent)


async def run_commands(recorded):
    """Give every rollout command, with and without two-person approval."""
    rollouts = recorded.api.services.rollouts
    await recorded.request("offer", PLAN, "offer_release")
    await recorded.request("pause", {})
    await recorded.request("resume", {})
    policy = rollouts._policy
    rollouts._policy = replace(policy, approval_channels=("*/*/stable",))
    for decision, who in (("approve", "approver"), ("reject", "approver"), ("cancel", "engineer")):
        change = await recorded.request("schedule", LATER)
        body = {} if decision == "approve" else {"body": {}}
        await recorded.ask(f"{decision}_change", f"/changes/{change}/{decision}", who, **body)
    await recorded.request("halt", {})


async def manage_accounts(recorded):
    """Create, change, disable and enable an account; make and revoke a token."""
    new = {"name": "ani", "role": "viewer", "codenames": ["armani"]}
    await recorded.ask("create_account", "/accounts", body=new)
    match = {"If-Match": "*"}
    await recorded.ask("change_account", "/accounts/ani", body={"role": "editor"}, headers=match)
    made = await recorded.ask("create_token", "/tokens", body={"account": "ani", "label": "x"})
    await recorded.ask("revoke_token", f"/tokens/{made.json['id']}/revoke")
    for action in ("disable", "enable"):
        await recorded.ask(f"{action}_account", f"/accounts/ani/{action}")


async def manage_webhooks(recorded):
    """Create, rotate, ping, disable and enable a webhook, and redeliver an event."""
    new = {"url": "https://hooks.example.org/x", "events": ["halted"]}
    made = await recorded.ask("create_webhook", "/webhooks", body=new)
    path = f"/webhooks/{made.json['id']}"
    await recorded.ask("rotate_secret", f"{path}/rotate", body={})
    ping = await recorded.ask("ping_webhook", f"{path}/ping")
    for action in ("disable", "enable"):
        await recorded.ask(f"{action}_webhook", f"{path}/{action}")
    again = f"{path}/deliveries/{ping.json['delivery']}/redeliver"
    await recorded.ask("redeliver_event", again)


async def test_operations_are_recorded(world):
    """Every changing operation adds its entry, and the chain verifies after each."""
    async with api_world(world) as api:
        recorded = Recorded(api)
        await upload_and_submit(recorded, world)
        await api.services.publisher.process_incoming()
        await run_commands(recorded)
        await manage_accounts(recorded)
        await manage_webhooks(recorded)
    assert recorded.asked == ACTIONS.keys()


READING = """account list, backup, change list, change show, check, clock show, compat preview,
compat template, edge, export, keys list, owner-page, rollout preview, rollout show, session list,
token list, audit-log export, audit-log list, audit-log verify"""
KEY_PROCESS = "keys public, keys serve"  # has no database; its caller records its actions
PROPOSALS = "rollout promote, rollout retire, rollout split, rollout withdraw"
COMMAND_ACTIONS = {
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
    assert names == quiet | COMMAND_ACTIONS.keys()


SHELL = {
    "account add": "ani --role viewer --codename armani",
    "account set": "ani --role editor",
    "token create": "ani --label x",
    "account disable": "ani",
    "account enable": "ani",
    "rollout pause": "armani/id/stable",
    "rollout resume": "armani/id/stable",
    "rollout halt": "armani/id/stable",
    "keys new": "timestamp",
    "gc": "",
    "rebuild": "",
    "clock confirm": "",
}


def test_commands_are_recorded(world):
    """Each command adds an entry with its action and its user."""

    def entries():
        with closing(sqlite3.connect(world.folder.sqlite)) as connection:
            query = 'SELECT actor, action, subject, detail FROM trail_entries ORDER BY "index"'
            return connection.execute(query).fetchall()

    before = entries()
    for command, arguments in SHELL.items():
        words = [*command.split(), *arguments.split(), "--state", str(world.folder.root)]
        cli.main(words, standalone_mode=False)
        after = entries()
        added = after[len(before) :]
        assert COMMAND_ACTIONS[command] in {row[1] for row in added}, command
        assert all(row[0].startswith("cli:") and row[2] for row in added)
        assert all(isinstance(json.loads(row[3]), dict) for row in added)
        before = after
