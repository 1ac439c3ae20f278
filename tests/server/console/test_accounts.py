"""Accounts and tokens: shown to those who manage them; a leaked token ends here."""

import re


async def test_accounts_with_their_valid_tokens(team):
    """Role, models, tokens with label and expiry; no secret, and no revoked token.

    Many accounts are on several pages, and the menu has them for admins alone.
    """
    token = await team.token("viewer")
    browser, viewer = await team.signed_in("admin"), await team.signed_in("viewer")
    page = await browser.get("/console/accounts?limit=3")
    (following,) = [link for link in page.read.links if "cursor=" in link]
    assert "viewer" in (await browser.get(following)).text
    assert "/console/accounts" in page.read.links
    assert "/console/accounts" not in (await viewer.get("/console/")).read.links
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


def ids(page):
    """Return the ids of the sessions on a page."""
    return re.findall(r"<code>(s-[0-9a-f]{12})</code>", page.body)


async def test_ending_sessions(team):
    """The other one stays valid; the browser whose session ended is asked to sign in again.

    An admin sees all sessions, which others do not, and ends another user's.
    """
    here, there = await team.signed_in("engineer"), await team.signed_in("engineer")
    page = await here.get("/console/sessions")
    assert len(ids(page)) == 2
    own = re.search(r"<code>(s-\w+)</code> <span[^>]*>this one", page.body)[1]
    (other,) = set(ids(page)) - {own}
    page = await here.send(page, f"/{other}/end")
    assert ids(page) == [own]
    assert (await there.get("/console/")).path.startswith("/console/sign-in")
    assert (await here.get("/console/")).path == "/console/"
    admin = await team.signed_in("admin")
    page = await admin.get("/console/sessions")
    assert own in ids(page)
    await admin.send(page, f"/{own}/end")
    assert (await here.get("/console/")).path.startswith("/console/sign-in")
    ended = [entry for entry in await team.audit_log() if entry[1] == "session.end"]
    told = [(actor.split("/")[0], subject) for actor, _, subject in ended]
    assert told == [("engineer", "engineer"), ("admin", "engineer")]
