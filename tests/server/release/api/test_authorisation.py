"""Rights over HTTP: who gets in, each right once, and every operation where codenames count.

Which role may call which operation follows from the declarations, and tests/repo compares these
with docs/reference/rights.md. An operation for which codenames count needs an example here: a
request that passes every check except the one for its codename.
"""

import json
import re
from pathlib import Path

import pytest
import pytest_asyncio

from server.release.api.catalogue import OPERATIONS
from server.release.auth.accounts import disable_account
from server.release.auth.principal import (
    ROLE_PERMISSIONS,
    WHOLE_PERMISSIONS,
    Permission,
    Role,
    command_line_principal,
)
from server.release.auth.tokens import revoke_token
from server.release.rollouts.changes import Arguments, State, make_change
from server.release.rollouts.commands import Resume
from tests.cases import case
from tests.server.release.api_world import api_world
from tests.server.release.auth.issue import issue_token, new_account

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "rights.md").read_text(encoding="utf-8")
SCOPED = re.findall(r"^\| `([A-Z]+ /api/[^`]+)` \| [^|]+ \| codename \|", PAGE, re.MULTILINE)
BY_NAME = {f"{one.method} {one.path}": one for one in OPERATIONS}
INSIDE, OUTSIDE = "armani", "cancro"
REFUSED = (401, 403)


SAMPLES = {
    "change": f"change-of-{INSIDE}",
    "codename": INSIDE,
    "region": "id",
    "channel": "stable",
    **dict.fromkeys(("blob", "submission"), "0" * 64),
    "upload": "0" * 32,
}
"""Values of path parameters; any other is `x`."""


PLAN = {"stages": [{"permille": 1000}]}
OF_MODEL = {"list_downloads": None, "list_releases": None, "get_model": None, "retire_model": {}}
OF_CHANNEL = {
    **dict.fromkeys(("get_channel", "preview_channel")),
    "offer_release": {"plan": PLAN},
    "schedule_rollout": {"plan": PLAN},
    "pause_rollout": {},
    "resume_rollout": {},
    "halt_rollout": {},
    "withdraw_release": {"counter": 1},
    "promote_release": {"counter": 1, "to": "beta"},
}
OF_CHANGE = {"get_change": None, "approve_change": None, "reject_change": {}, "cancel_change": {}}
OF_ACCOUNT = {
    **dict.fromkeys(("get_account", "disable_account", "enable_account")),
    "change_account": {"role": "editor"},
}


def examples(codename):
    """Return path parameters and body of a request for a model, by operation."""
    new = {"name": f"new-{codename}", "role": "viewer", "codenames": [codename]}
    return {
        **{one: ({"codename": codename}, body) for one, body in (OF_MODEL | OF_CHANNEL).items()},
        **{one: ({"change": f"change-of-{codename}"}, body) for one, body in OF_CHANGE.items()},
        **{one: ({"account": f"only-{codename}"}, body) for one, body in OF_ACCOUNT.items()},
        "create_account": ({}, new),
        "create_token": ({}, {"account": f"other-{codename}", "label": "x"}),
        "revoke_token": ({"token": f"of-{codename}"}, None),
    }


class Team:
    """The API with many accounts; `tokens` has their tokens."""

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

    async def issue(self, key, account, permissions=None, seconds=86_400):
        """Make a token of `account` and store it under `key`."""
        text = await issue_token(self.served.services, account, permissions, seconds)
        self.tokens[key], self.ids[key] = text, text.split("_")[1]


async def populate(team):
    """Make all accounts and tokens, including narrow, expired, revoked and disabled ones."""
    operator, at = command_line_principal("root"), team.served.services.epoch()
    accounts = {f"in-{role}": (role, INSIDE) for role in Role} | {"gone": (Role.ADMIN, "*")}
    for codename in (INSIDE, OUTSIDE):
        accounts |= {f"{word}-{codename}": (Role.VIEWER, codename) for word in ("only", "other")}
    sessions = team.served.services.sessions
    async with sessions.begin() as session:
        for name, (role, codename) in accounts.items():
            await new_account(session, name, role, [codename], at=at)
        for codename in (INSIDE, OUTSIDE):
            arguments = Arguments(Resume(), "*", "")
            change = make_change(
                f"change-of-{codename}", f"{codename}/id/stable", arguments, "other", at, at
            )
            change.state = State.REJECTED  # a change that no account can act on
            session.add(change)
    for codename in (INSIDE, OUTSIDE):
        await team.issue(f"of-{codename}", f"other-{codename}")
    for role in Role:
        await team.issue(role, role.value)
        await team.issue((role, "inside"), f"in-{role}")
    held = ROLE_PERMISSIONS[Role.ADMIN]
    for permission in held:
        await team.issue(("only", permission), "admin", [permission])
        await team.issue(("without", permission), "admin", held - {permission})
    await team.issue("disabled", "gone")
    await team.issue("revoked", "admin")
    await team.issue("expired", "admin", seconds=1)
    async with sessions.begin() as session:
        await disable_account(session, operator, name="gone", at=at)
        await revoke_token(session, operator, identity=team.ids["revoked"], at=at)
    team.tokens |= {"wrong": team.tokens[Role.ADMIN][:-1] + "x", "none": None}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def team(fresh_state, tmp_path_factory):
    """Serve the API to these accounts, a minute after the tokens were made."""
    world = fresh_state.copy(tmp_path_factory.mktemp("rights") / "state")
    async with api_world(world, real_tokens=True) as served:
        made = Team(served)
        await populate(made)
        served.ahead(60)
        yield made


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_without_a_valid_token(team):
    """Without a valid token of an enabled account, all but public operations get 401."""
    for name, operation in BY_NAME.items():
        with case(name):
            expected = operation.status if operation.public else 401
            assert await team.ask(name, team.tokens["none"]) == expected
    for key in ("wrong", "expired", "revoked", "disabled"):
        for name in ("GET /api/v1/status", "GET /api/v1/me", "POST /api/v1/webhooks"):
            assert await team.ask(name, team.tokens[key]) == 401, (key, name)


async def test_each_operation_needs_its_permission(team):
    """A viewer gets 403 for all operations that need more than reading; an admin for none.

    Operations that concern every model are refused to an admin of one model.
    """
    for name, operation in BY_NAME.items():
        with case(name):
            assert await team.ask(name, team.tokens[Role.ADMIN]) not in REFUSED
            if operation.permission is not None:
                status = await team.ask(name, team.tokens[Role.VIEWER])
                assert (status == 403) == (operation.permission != Permission.READ)
            if operation.permission in WHOLE_PERMISSIONS:
                assert await team.ask(name, team.tokens[Role.ADMIN, "inside"]) == 403


async def test_each_permission_of_a_narrow_token(team):
    """A token with only an operation's permission is accepted; one with all others is not."""
    first = {one.permission: name for name, one in BY_NAME.items() if one.permission is not None}
    assert first.keys() == ROLE_PERMISSIONS[Role.ADMIN]
    for permission, name in first.items():
        with case(name):
            assert await team.ask(name, team.tokens["only", permission]) not in REFUSED
            assert await team.ask(name, team.tokens["without", permission]) == 403


async def test_each_codename(team):
    """An account of one codename is accepted for it, and refused for another."""
    assert {BY_NAME[name].id for name in SCOPED} == examples(INSIDE).keys()
    for name in SCOPED:
        for role, codename, allowed in (
            (Role.ADMIN, OUTSIDE, False),
            (Role.ADMIN, INSIDE, True),
            (Role.VIEWER, INSIDE, BY_NAME[name].permission == Permission.READ),
        ):
            with case(role, name, codename):
                path, body = examples(codename)[BY_NAME[name].id]
                path = {key: team.ids.get(value, value) for key, value in path.items()}
                status = await team.ask(name, team.tokens[role, "inside"], path, body)
                assert (status not in REFUSED) if allowed else status == 403


async def test_accounts_of_other_models_are_not_listed(team):
    """An admin of one model sees only that model's accounts and tokens."""
    token = team.tokens[Role.ADMIN, "inside"]
    accounts = await team.served.call("GET", "/accounts?limit=200", token=token)
    names = {item["name"] for item in accounts.json["items"]}
    names.discard(f"new-{INSIDE}")  # made by an earlier test
    assert names == {f"only-{INSIDE}", f"other-{INSIDE}", *(f"in-{role}" for role in Role)}
    tokens = await team.served.call("GET", "/tokens?limit=200", token=token)
    assert {item["account"] for item in tokens.json["items"]} <= names
    foreign = await team.served.call("GET", f"/tokens?account=other-{OUTSIDE}", token=token)
    assert foreign.json["items"] == []
    listed = await team.served.call("GET", "/accounts?limit=200", token=team.tokens[Role.ADMIN])
    assert {item["name"] for item in listed.json["items"]} > {f"only-{OUTSIDE}", *names}


async def test_who_may_cancel_a_change(team):
    """Cancelling another account's change needs exactly the `approve` permission."""
    name = "POST /api/v1/changes/{change}/cancel"
    for key, allowed in (
        (Role.VIEWER, False),
        (Role.EDITOR, False),
        (Role.ENGINEER, False),
        (Role.APPROVER, True),
        (Role.ADMIN, True),
        (("only", Permission.APPROVE), True),
        (("without", Permission.APPROVE), False),
    ):
        status = await team.ask(name, team.tokens[key], body={})
        assert (status not in REFUSED) if allowed else status == 403, key


async def test_refused_requests_are_not_recorded(team):
    """No refused request of the tests above is in the audit log."""
    answer = await team.served.call("GET", "/trail?limit=200", token=team.tokens[Role.ADMIN])
    for item in answer.json["items"]:
        actor = item["actor"].partition("/")[0]
        assert actor in {"cli:root", "admin", "in-admin"}
        if actor == "in-admin":
            assert OUTSIDE not in json.dumps(item)
