"""Every page and form with every role, inside and outside of its codenames.

The expected values are those of docs/reference/rights.md.
"""

import re
from pathlib import Path

import pytest
import pytest_asyncio

from server.console import accounts, changes, channels, releases
from server.console.forms import csrf_token
from server.console.overview import Overview
from server.console.sign_in import Cookies, SignIn
from server.release.auth.accounts import create_account
from server.release.auth.principal import Role, command_line_principal
from tests.cases import case
from tests.server.console.browser import console_world
from tests.server.console.test_channels import offer, publish_second

TEXT = (Path(__file__).parents[3] / "docs" / "reference" / "rights.md").read_text(encoding="utf-8")
BLOCK = re.search(r"<!-- pages:begin -->\n(.*?)<!-- pages:end", TEXT, re.DOTALL)[1]
HEAD, _, *LINES = [[cell.strip() for cell in row.split("|")[1:-1]] for row in BLOCK.splitlines()]
ROWS = {row[0].strip("`"): row for row in LINES}
PAGES = (
    *SignIn(Cookies(is_secure=False), None, None).pages,
    *Overview(None).pages,
    *channels.PAGES,
    *changes.PAGES,
    *releases.PAGES,
    *accounts.PAGES,
)
CLOSED = [f"{page.method} {page.path}" for page in PAGES if not page.is_open]
FIELDS = {
    "etag": '"of-another-time"',
    "note": "",
    "reason": "",
    "counter": "1",
    "share": "100",
    "share-1": "1",
}
INSIDE, OUTSIDE = "armani", "cancro"


class Matrix:
    """A browser for each role, for all codenames and for one; and a waiting command."""

    def __init__(self, team, change):
        self.team, self.change = team, change
        self.browsers, self.own, self.tokens = {}, {}, {}

    async def enter(self, key, account):
        """Sign an account in, with a second session that it may end."""
        self.browsers[key] = await self.team.signed_in(account)
        other = await self.team.signed_in(account)
        page = await other.get("/console/sessions")
        self.own[key] = re.search(r"<code>(s-\w+)</code> <span[^>]*>this one", page.body)[1]

    async def ask(self, key, name, codename=INSIDE, session="s-000000000000"):
        """Request a page, or submit a form as its page would; return the status."""
        browser = self.browsers[key]
        method, _, template = name.partition(" ")
        values = {
            "codename": codename,
            "region": "id",
            "channel": "stable",
            "change": self.change,
            "session": session,
            "account": f"only-{codename}",
            "token": self.tokens[codename],
        }
        path = re.sub(r"\{(\w+)\}", lambda match: values[match[1]], template)
        secret = browser.cookies().get("hening-session", "")
        data = FIELDS | {"csrf": csrf_token(secret)} if method == "POST" else None
        page = await browser.ask(method, path, data=data, follow=False)
        return page.status


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def matrix(published_state, tmp_path_factory):
    """Serve the console with all these accounts."""
    world = published_state.copy(tmp_path_factory.mktemp("rights") / "state")
    async with console_world(world, approval_channels=("*/*/stable",)) as team:
        services = team.services
        operator, at = command_line_principal("root"), services.epoch()
        async with services.sessions.begin() as session:
            for codename in (INSIDE, OUTSIDE):
                names = {f"{role}-{codename}": role for role in Role}
                for name, role in (names | {f"only-{codename}": Role.VIEWER}).items():
                    await create_account(
                        session, operator, name=name, role=role, codenames=[codename], at=at
                    )
        await publish_second(world, team)
        given = await offer(team, plan={"stages": [{"permille": 1000}]})
        assert given["change"]["state"] == "waiting"
        made = Matrix(team, given["change"]["id"])
        for codename in (INSIDE, OUTSIDE):
            made.tokens[codename] = (await team.token(f"only-{codename}")).split("_")[1]
        for role in Role:
            await made.enter(role.value, role.value)
            for codename in (INSIDE, OUTSIDE):
                await made.enter(f"{role}-{codename}", f"{role}-{codename}")
        made.browsers["nobody"] = await team.browser()
        yield made


def test_rights_table_is_complete():
    """The table has every page once."""
    assert HEAD[3:] == [role.value for role in Role]
    assert sorted(ROWS) == sorted(f"{page.method} {page.path}" for page in PAGES)
    assert len(ROWS) == len(LINES)


@pytest.mark.asyncio(loop_scope="module")
async def test_without_a_session(matrix):
    """Without a session, a page redirects to the sign-in and a form is refused."""
    for name in CLOSED:
        status = await matrix.ask("nobody", name)
        assert status == (303 if name.startswith("GET") else 401), name


ENDING = {"POST /console/sign-out", "POST /console/orders/{change}/approve"}
"""What would end the session or the command that the other cases need."""
DECIDING = {f"POST /console/orders/{{change}}/{word}" for word in ("approve", "reject", "cancel")}


@pytest.mark.asyncio(loop_scope="module")
async def test_decisions_need_the_approve_right(matrix):
    """Only `approve` for the codename allows a decision about a change.

    This test runs before the halts below, which cancel the change. Approvals run last for the same
    reason.
    """
    for word in ("approve", "reject", "cancel"):
        name = f"POST /console/orders/{{change}}/{word}"
        for role in Role:
            if ROWS[name][HEAD.index(role.value)] != "yes":
                assert await matrix.ask(f"{role}-{INSIDE}", name) == 403, word
            assert await matrix.ask(f"{role}-{OUTSIDE}", name) == 403, word
    name = "POST /console/orders/{change}/approve"
    assert await matrix.ask("engineer", name) == 403
    assert await matrix.ask(f"approver-{INSIDE}", name) == 303
    assert await matrix.ask("approver", "POST /console/orders/{change}/reject") == 409
    assert await matrix.ask("engineer", "POST /console/orders/{change}/cancel") == 409


@pytest.mark.asyncio(loop_scope="module")
async def test_rights_of_each_role(matrix):
    """`no` is 403, `yes` is any other status, and `own` is 403 for others' sessions."""
    for name in [name for name in CLOSED if name not in ENDING | DECIDING]:
        for role in [role.value for role in Role]:
            with case(role, name):
                cell = ROWS[name][HEAD.index(role)]
                status = await matrix.ask(role, name)
                if name == "POST /console/sessions/{session}/end":
                    foreign = matrix.own[f"viewer-{OUTSIDE}" if role == "admin" else "admin"]
                    other = await matrix.ask(role, name, session=foreign)
                    assert other == (303 if cell == "yes" else 403)
                    assert await matrix.ask(role, name, session=matrix.own[role]) == 303
                elif cell == "no":
                    assert status == 403
                else:
                    assert status in {200, 303, 412}


SCOPED = [name for name in CLOSED if ROWS[name][2] == "codename" and name not in DECIDING]


@pytest.mark.asyncio(loop_scope="module")
async def test_accounts_act_on_their_models_only(matrix):
    """An account for one model can act on that model only."""
    for name in SCOPED:
        for role in (Role.ADMIN, Role.VIEWER):
            with case(role, name):
                is_refused = ROWS[name][HEAD.index(role.value)] == "no"
                assert (await matrix.ask(f"{role}-{INSIDE}", name) == 403) == is_refused
                assert await matrix.ask(f"{role}-{OUTSIDE}", name) == 403


@pytest.mark.asyncio(loop_scope="module")
async def test_audit_log_needs_all_models(matrix):
    """An account with one codename can neither open nor find the audit log."""
    assert await matrix.ask(f"admin-{INSIDE}", "GET /console/trail") == 403
    page = await matrix.browsers[f"admin-{INSIDE}"].get("/console/")
    assert "/console/trail" not in page.read.links


@pytest.mark.asyncio(loop_scope="module")
async def test_pages_show_no_refused_forms(matrix):
    """A page shows no form that would be refused."""
    path = "/console/channels/armani/id/stable"
    for role in ("viewer", "editor"):
        page = await matrix.browsers[role].get(path)
        assert [form[0] for form in page.read.forms] == ["/console/sign-out"]
    admin = await matrix.browsers["admin"].get("/console/")
    viewer = await matrix.browsers["viewer"].get("/console/")
    assert "/console/trail" in admin.read.links
    assert "/console/trail" not in viewer.read.links
