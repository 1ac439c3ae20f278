"""Accounts and tokens: shown to those who manage them; a leaked token ends here."""

from tests.server.console.browser import console_world


async def test_accounts_with_their_valid_tokens(team):
    """Role, models, tokens with label and expiry; no secret, and no revoked token."""
    token = await team.token("viewer")
    browser = await team.signed_in("admin")
    page = await browser.get("/console/accounts")
    for role in ("admin", "approver", "editor", "engineer"):
        assert f"{role} {role} Models all Since" in page.text
    identity, secret = token.split("_")[1:]
    assert identity in page.text
    assert secret not in page.body
    page = await browser.send(page, f"/{identity}/revoke")
    assert (page.path, page.status) == ("/console/accounts", 200)
    assert identity not in page.text
    answer = await team.api.call("GET", "/me", token=token)
    assert answer.status == 401
    assert ("token.revoke", "viewer") in [entry[1:] for entry in await team.audit_log()]


async def test_a_person_leaves(team):
    """Disabling ends the account's sessions; enabled again it needs a new token."""
    engineer, admin = await team.signed_in("engineer"), await team.signed_in("admin")
    page = await admin.send(await admin.get("/console/accounts"), "/engineer/disable")
    assert "engineer engineer disabled" in page.text
    assert (await engineer.get("/console/")).path.startswith("/console/sign-in")
    page = await admin.send(page, "/engineer/enable")
    assert "engineer engineer disabled" not in page.text
    assert (await engineer.get("/console/")).path.startswith("/console/sign-in")
    await team.signed_in("engineer")


async def test_pages_of_accounts(world):
    """Many accounts are on several pages, and the menu has them for admins alone."""
    async with console_world(world) as team:
        admin, viewer = await team.signed_in("admin"), await team.signed_in("viewer")
        page = await admin.get("/console/accounts?limit=3")
        (following,) = [link for link in page.read.links if "cursor=" in link]
        assert "viewer" in (await admin.get(following)).text
        assert "/console/accounts" in page.read.links
        assert "/console/accounts" not in (await viewer.get("/console/")).read.links
