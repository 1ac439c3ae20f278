"""Accounts, tokens and audit log over HTTP, with tokens from the database."""

import json

import pytest
import pytest_asyncio

from server.release.auth.audit_log_query import verify_export
from server.release.auth.principal import Role, is_token
from tests.server.release.api_world import api_world
from tests.server.release.auth.issue import issue_token

DAY = 86_400
ANY = {"If-Match": "*"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def team(fresh_state, tmp_path_factory):
    """Serve the API; `team.tokens[ROLE]` is a token of the account of that role."""
    world = fresh_state.copy(tmp_path_factory.mktemp("people") / "state")
    async with api_world(world, real_tokens=True) as served:
        served.tokens = {
            role.value: await issue_token(served.services, role.value, seconds=300 * DAY)
            for role in Role
        }
        yield served


@pytest.fixture
def ask(team):
    """Return a function that sends requests with the admin's or another token."""
    team.ahead(0)

    async def call(method, path, status=200, *, token=None, **options):
        secret = team.tokens["admin"] if token is None else token
        answer = await team.call(method, path, token=secret, **options)
        assert answer.status == status, answer.data
        return answer

    return call


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_account_lifecycle(ask):
    """An account is created, read, changed, disabled and enabled; answers have its new state."""
    body = {"name": "ani", "role": "engineer", "codenames": ["cancro", "armani"]}
    made = await ask("POST", "/accounts", 201, body=body)
    assert made.headers["Location"] == "/api/v1/accounts/ani"
    assert made.json["codenames"] == ["armani", "cancro"]
    assert (await ask("GET", "/accounts/ani")).json == made.json
    known = made.json
    for change in ({"role": "approver"}, {"codenames": ["*"]}):
        changed = await ask("PATCH", "/accounts/ani", headers=ANY, body=change)
        known = {**known, **change, "etag": changed.headers["ETag"]}
        assert changed.json == known
    assert (await ask("POST", "/accounts/ani/disable")).json["disabled_at"] is not None
    assert (await ask("POST", "/accounts/ani/enable")).json["disabled_at"] is None
    body = {"name": "ani", "role": "viewer", "codenames": ["*"]}
    assert (await ask("POST", "/accounts", 409, body=body)).problem == "conflict"
    for bad, status in (
        ({"name": "Ani"}, 422),
        ({"name": "a\n"}, 422),
        ({"role": "king"}, 422),
        ({"codenames": ["root"]}, 400),
    ):
        await ask("POST", "/accounts", status, body=body | {"name": "eka"} | bad)
    assert (await ask("GET", "/accounts/eka", 404)).problem == "not-found"


async def test_pages_of_accounts_and_tokens(ask):
    """All pages together have each item once, and `next` keeps the filters."""
    for path, key in (("/accounts?", "name"), ("/tokens?", "id"), ("/tokens?account=admin&", "id")):
        whole = [item[key] for item in (await ask("GET", path.rstrip("?&"))).json["items"]]
        found, following = [], f"{path}limit=1"
        while following and len(found) <= len(whole):
            page = (await ask("GET", following.removeprefix("/api/v1"))).json
            found += [item[key] for item in page["items"]]
            following = page["next"]
        assert found == whole == sorted(set(whole))


async def test_token_lifecycle(team, ask):
    """A token is shown once, can have fewer rights, expires, and can revoke itself."""
    body = {"account": "engineer", "label": "ci", "permissions": ["read"], "days": 1}
    made = (await ask("POST", "/tokens", 201, body=body)).json
    assert is_token(made["token"])
    assert (made["state"], made["permissions"]) == ("valid", ["read"])
    me = (await ask("GET", "/me", token=made["token"])).json
    account = {"name": "engineer", "role": "engineer", "codenames": ["*"]}
    assert me == {**account, "permissions": ["read"], "token": made["id"]}
    listed = await ask("GET", "/tokens?account=engineer")
    assert made["token"] not in listed.data.decode()
    (row,) = [item for item in listed.json["items"] if item["id"] == made["id"]]
    assert row == {name: value for name, value in made.items() if name != "token"}
    mine = (await ask("GET", "/me/tokens", token=made["token"])).json["items"]
    assert made["id"] in {item["id"] for item in mine}
    assert {item["account"] for item in mine} == {"engineer"}
    other = next(item["id"] for item in mine if item["id"] != made["id"])
    await ask("POST", f"/tokens/{other}/revoke", 403, token=made["token"])
    team.ahead(DAY)
    await ask("GET", "/me", 401, token=made["token"])
    team.ahead(DAY - 60)
    revoked = await ask("POST", f"/tokens/{made['id']}/revoke", token=made["token"])
    assert revoked.json["state"] == "revoked"
    assert (await ask("GET", "/me", 401, token=made["token"])).problem == "unauthenticated"
    await ask("POST", "/tokens/ffffffffffff/revoke", 404)


async def test_audit_log(ask):
    """The audit log's filters, pages, head and export agree, and the chain verifies."""
    name = "trail-1"
    body = {"role": "viewer", "codenames": ["armani"]}
    await ask("POST", "/accounts", 201, body=body | {"name": name})
    await ask("POST", f"/accounts/{name}/disable")
    found = (await ask("GET", f"/trail?subject={name}")).json["items"]
    assert [item["action"] for item in found] == ["account.disable", "account.create"]
    admin = (await ask("GET", "/me")).json
    assert {item["actor"] for item in found} == {f"admin/{admin['token']}"}
    assert found[1]["detail"] == body
    page = (await ask("GET", f"/trail?subject={name}&limit=1&action=account")).json
    assert page["items"] == found[:1]
    page = (await ask("GET", page["next"].removeprefix("/api/v1"))).json
    assert (page["items"], page["next"]) == (found[1:], None)
    moment = found[1]["at"]
    assert (await ask("GET", f"/trail?subject={name}&until={moment - 1}")).json["items"] == []
    head = (await ask("GET", "/trail/head")).json
    export = await ask("GET", "/trail/export")
    assert export.headers["Content-Type"] == "application/jsonl"
    lines = export.data.splitlines(keepends=True)
    state = verify_export(lines, {head["length"]: head["sha256"]})
    assert state.length == head["length"]
    assert json.loads(lines[found[0]["index"] - 1]) == found[0]


async def test_changes_need_the_current_tag(team, ask):
    """Of two admins that change an account, the second gets 412 and overwrites nothing."""
    new = {"name": "wati", "role": "engineer", "codenames": ["armani"]}
    made = await ask("POST", "/accounts", 201, body=new)
    tag = made.headers["ETag"]
    assert made.json["etag"] == tag == (await ask("GET", "/accounts/wati")).headers["ETag"]
    listed = (await ask("GET", "/accounts?limit=200")).json["items"]
    assert {item["name"]: item["etag"] for item in listed}["wati"] == tag
    first, second = {"codenames": ["armani", "cancro"]}, {"codenames": ["armani", "dior"]}
    assert (await ask("PATCH", "/accounts/wati", 428, body=first)).problem == "match-required"
    mine = {"If-Match": tag}
    changed = await ask("PATCH", "/accounts/wati", headers=mine, body=first)
    late = await ask("PATCH", "/accounts/wati", 412, headers=mine, body=second)
    assert late.problem == "changed-meanwhile"
    assert late.headers["ETag"] == changed.headers["ETag"] != tag
    assert (await ask("GET", "/accounts/wati")).json["codenames"] == ["armani", "cancro"]
    now = {"If-Match": late.headers["ETag"]}
    await ask("PATCH", "/accounts/wati", headers=now, body=second)
    viewer = team.tokens["viewer"]
    await ask("PATCH", "/accounts/wati", 403, token=viewer, headers=mine, body=second)
    disabled = await ask("POST", "/accounts/wati/disable")
    assert disabled.headers["ETag"] == disabled.json["etag"] != late.headers["ETag"]
