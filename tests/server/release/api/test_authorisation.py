"""The whole matrix over HTTP: every operation, every role, every kind of token.

The expected values are written in docs/reference/rights.md. A new
operation needs a line there. If codenames count, it also needs an example below: a request that
passes every check except the one for its codename.
"""

import json
import re
from pathlib import Path

import pytest
import pytest_asyncio

from server.release.api.catalogue import OPERATIONS
from server.release.auth.accounts import create_account, disable_account
from server.release.auth.principal import (
    ROLE_PERMISSIONS,
    Permission,
    Role,
    command_line_principal,
)
from server.release.auth.tokens import create_token, revoke_token
from server.release.rollouts.changes import Arguments, State, make_change
from server.release.rollouts.commands import Resume
from tests.cases import case
from tests.server.release.api_world import api_world

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "rights.md").read_text(encoding="utf-8")
BLOCK = re.search(r"<!-- operations:begin -->\n(.*?)<!-- operations:end", PAGE, re.DOTALL)[1]
HEAD, _, *LINES = [[cell.strip() for cell in row.split("|")[1:-1]] for row in BLOCK.splitlines()]
ROWS = {row[0].strip("`"): row for row in LINES}
NAMES = [f"{one.method} {one.path}" for one in OPERATIONS]
BY_NAME = dict(zip(NAMES, OPERATIONS, strict=True))
INSIDE, OUTSIDE = "armani", "cancro"
REFUSED = (401, 403)
SAMPLES = {
    "change": f"change-of-{INSIDE}",
    "blob": "0" * 64,
    "codename": INSIDE,
    "submission": "0" * 64,
    "upload": "0" * 32,
}
"""Values of path parameters; any other is `x`."""


def of_account(codename):
    """Return the path of a request about the account `only-CODENAME`."""
    return {"account": f"only-{codename}"}


def of_change(codename):
    """Return the path of a request about another account's change in a channel of a model."""
    return {"change": f"change-of-{codename}"}


def of_channel(codename):
    """Return the path of a request about a model's channel."""
    return {"codename": codename, "region": "id", "channel": "stable"}


PLAN = {"stages": [{"permille": 1000}]}
EXAMPLES = {
    "get_model": lambda codename: ({"codename": codename}, None),
    "list_releases": lambda codename: ({"codename": codename}, None),
    "list_downloads": lambda codename: ({"codename": codename}, None),
    "retire_model": lambda codename: ({"codename": codename}, {}),
    "get_channel": lambda codename: (of_channel(codename), None),
    "preview_channel": lambda codename: (of_channel(codename), None),
    "offer_release": lambda codename: (of_channel(codename), {"plan": PLAN}),
    "schedule_rollout": lambda codename: (of_channel(codename), {"plan": PLAN}),
    "pause_rollout": lambda codename: (of_channel(codename), {}),
    "resume_rollout": lambda codename: (of_channel(codename), {}),
    "halt_rollout": lambda codename: (of_channel(codename), {}),
    "withdraw_release": lambda codename: (of_channel(codename), {"counter": 1}),
    "promote_release": lambda codename: (of_channel(codename), {"counter": 1, "to": "beta"}),
    "get_change": lambda codename: (of_change(codename), None),
    "approve_change": lambda codename: (of_change(codename), None),
    "reject_change": lambda codename: (of_change(codename), {}),
    "cancel_change": lambda codename: (of_change(codename), {}),
    "create_account": lambda codename: (
        {},
        {"name": f"new-{codename}", "role": "viewer", "codenames": [codename]},
    ),
    "get_account": lambda codename: (of_account(codename), None),
    "change_account": lambda codename: (of_account(codename), {"role": "editor"}),
    "disable_account": lambda codename: (of_account(codename), None),
    "enable_account": lambda codename: (of_account(codename), None),
    "create_token": lambda codename: ({}, {"account": f"other-{codename}", "label": "x"}),
    "revoke_token": lambda codename: ({"token": f"of-{codename}"}, None),
}
"""For each operation where codenames count: path parameters and body of a request for one."""
WITH_BODY = {"cancel_change"}
"""Operations that check rights only after the body was found valid."""


class Team:
    """The API with many accounts; `tokens` by their kind."""

    def __init__(self, served):
        self.served = served
        self.tokens = {}
        self.ids = {}

    async def ask(self, name, token, path=(), body=None):
        """Send a request for an operation; return the status and the problem's name."""
        method, _, template = name.partition(" ")
        values = {**SAMPLES, **dict(path)}
        filled = re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], "x"), template)
        answer = await self.served.call(
            method,
            filled.removeprefix("/api/v1"),
            token=token,
            body=body,
            headers={"If-Match": "*"} if BY_NAME[name].if_match else None,
        )
        return answer.status

    async def issue(self, session, key, account, permissions=None, seconds=86_400):
        """Make a token of `account` and store it under `key`."""
        services = self.served.services
        at = services.epoch()
        issued = await create_token(
            session,
            command_line_principal("root"),
            services.entropy,
            account=account,
            label="test",
            permissions=permissions,
            expires_at=at + seconds,
            at=at,
        )
        self.tokens[key], self.ids[key] = issued.text, issued.row.id


async def populate(team):
    """Make accounts and tokens: whole, narrowed, for one codename, expired, revoked, disabled."""
    operator = command_line_principal("root")
    at = team.served.services.epoch()
    async with team.served.services.sessions.begin() as session:
        for codename in (INSIDE, OUTSIDE):
            for name in (f"only-{codename}", f"other-{codename}"):
                await create_account(
                    session, operator, name=name, role=Role.VIEWER, codenames=[codename], at=at
                )
            await team.issue(session, f"of-{codename}", f"other-{codename}")
            arguments = Arguments(Resume(), "*", "")
            change = make_change(
                f"change-of-{codename}", f"{codename}/id/stable", arguments, "other", at, at
            )
            change.state = State.REJECTED  # a change that no account can change
            session.add(change)
        for role in Role:
            await create_account(
                session, operator, name=f"in-{role}", role=role, codenames=[INSIDE], at=at
            )
            await team.issue(session, role, role.value)
            await team.issue(session, (role, "inside"), f"in-{role}")
            for permission in ROLE_PERMISSIONS[role]:
                rest = ROLE_PERMISSIONS[role] - {permission}
                await team.issue(session, (role, "only", permission), role.value, [permission])
                if rest:
                    await team.issue(session, (role, "without", permission), role.value, rest)
        await create_account(
            session, operator, name="gone", role=Role.ADMIN, codenames=["*"], at=at
        )
        await team.issue(session, "disabled", "gone")
        await disable_account(session, operator, name="gone", at=at)
        await team.issue(session, "revoked", "admin")
        await revoke_token(session, operator, identity=team.ids["revoked"], at=at)
        await team.issue(session, "expired", "admin", seconds=1)
    team.tokens["wrong"] = team.tokens[Role.ADMIN][:-1] + "x"
    team.tokens["none"] = None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def team(fresh_state, tmp_path_factory):
    """Serve the API to many accounts; the clock is a minute after the tokens were made."""
    world = fresh_state.copy(tmp_path_factory.mktemp("rights") / "state")
    async with api_world(world, real_tokens=True) as served:
        made = Team(served)
        await populate(made)
        served.ahead(60)
        yield made


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_without_a_valid_token(team):
    """No, a wrong, an expired, a revoked token, a disabled account's: 401, except for public."""
    for name in NAMES:
        with case(name):
            for key in ("none", "wrong", "expired", "revoked", "disabled"):
                status = await team.ask(name, team.tokens[key])
                expected = BY_NAME[name].status if BY_NAME[name].public else 401
                assert status == expected, key


async def test_each_role(team):
    """`no` and a foreign `own` are 403; `yes` is anything but 401 and 403."""
    for name in NAMES:
        for role in Role:
            with case(role, name):
                cell = ROWS[name][HEAD.index(role.value)]
                body = {} if BY_NAME[name].id in WITH_BODY else None
                status = await team.ask(name, team.tokens[role], body=body)
                assert (status not in REFUSED) if cell == "yes" else status == 403


async def test_each_narrowed_token(team):
    """A token with only the permission is accepted, one with all others is not."""
    for name in [name for name in NAMES if BY_NAME[name].permission]:
        for role in Role:
            with case(role, name):
                permission = BY_NAME[name].permission
                if ROWS[name][HEAD.index(role.value)] == "yes":
                    only = await team.ask(name, team.tokens[role, "only", permission])
                    assert only not in REFUSED
                    without = team.tokens.get((role, "without", permission))
                    if without is not None:
                        assert await team.ask(name, without) == 403
                else:
                    for other in ROLE_PERMISSIONS[role]:
                        assert await team.ask(name, team.tokens[role, "only", other]) == 403


SCOPED = [name for name in NAMES if ROWS[name][2] == "codename"]


async def test_each_codename(team):
    """An account for one codename is accepted there and nowhere else."""
    for name in SCOPED:
        for role in Role:
            with case(role, name):
                cell = ROWS[name][HEAD.index(role.value)]
                token = team.tokens[role, "inside"]
                for codename, allowed in ((OUTSIDE, False), (INSIDE, cell == "yes")):
                    path, body = EXAMPLES[BY_NAME[name].id](codename)
                    path = {key: team.ids.get(value, value) for key, value in path.items()}
                    status = await team.ask(name, token, path, body)
                    assert (status not in REFUSED) if allowed else status == 403, codename


async def test_what_tells_of_every_model(team):
    """With one codename it is refused for every role; `test_each_role` uses all."""
    for name in [name for name in NAMES if ROWS[name][2] == "all"]:
        for role in Role:
            with case(role, name):
                assert await team.ask(name, team.tokens[role, "inside"]) == 403


async def test_people_elsewhere_are_not_listed(team):
    """An admin for one model sees accounts and tokens of that model alone; with all, everything."""
    token = team.tokens[Role.ADMIN, "inside"]
    accounts = await team.served.call("GET", "/accounts?limit=200", token=token)
    names = {item["name"] for item in accounts.json["items"]}
    names.discard(f"new-{INSIDE}")  # of a case above
    assert names == {f"only-{INSIDE}", f"other-{INSIDE}", *(f"in-{role}" for role in Role)}
    tokens = await team.served.call("GET", "/tokens?limit=200", token=token)
    assert {item["account"] for item in tokens.json["items"]} <= names
    foreign = await team.served.call("GET", f"/tokens?account=other-{OUTSIDE}", token=token)
    assert foreign.json["items"] == []
    listed = await team.served.call("GET", "/accounts?limit=200", token=team.tokens[Role.ADMIN])
    assert {item["name"] for item in listed.json["items"]} > {f"only-{OUTSIDE}", *names}


@pytest.mark.parametrize("role", Role)
async def test_who_cancels_with_a_narrowed_token(team, role):
    """Another account's change: `approve` is necessary and sufficient."""
    name = "POST /api/v1/changes/{change}/cancel"
    for permission in ROLE_PERMISSIONS[role]:
        status = await team.ask(name, team.tokens[role, "only", permission], body={})
        assert (status not in REFUSED) if permission == Permission.APPROVE else status == 403
        without = team.tokens.get((role, "without", permission))
        if without is not None:
            may = Permission.APPROVE in ROLE_PERMISSIONS[role] - {permission}
            status = await team.ask(name, without, body={})
            assert (status not in REFUSED) if may else status == 403


async def test_nothing_was_told_that_was_refused(team):
    """Every actor in the audit log had the right: no refusal above left a change."""
    answer = await team.served.call("GET", "/trail?limit=200", token=team.tokens[Role.ADMIN])
    for item in answer.json["items"]:
        actor = item["actor"].partition("/")[0]
        assert actor in {"cli:root", "admin", "in-admin"}
        if actor == "in-admin":
            assert OUTSIDE not in json.dumps(item)
