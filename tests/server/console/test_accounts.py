"""The pages of accounts, tokens, sessions and audit log."""

import re


async def test_accounts_page_and_token_revocation(team):
    """An account has its role, models and valid tokens, without a secret.

    Many accounts are on several pages, which only admins find in the menu.
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


async def test_disabling_an_account_ends_its_sessions(team):
    """Disabling ends an account's sessions; enabled again, it needs a new token."""
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
    """A user can end one of its sessions, whose browser must then sign in again.

    Only admins see and end sessions of others.
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
    pairs = [(actor.split("/")[0], subject) for actor, _, subject in ended]
    assert pairs == [("engineer", "engineer"), ("admin", "engineer")]


PATH = "/console/channels/armani/id/stable"


async def test_audit_log_pages_and_filters(team):
    """A filter stays on the next page; entries are sentences, grouped by day.

    The filter's form uses GET, and its fields keep their input.
    """
    engineer = await team.signed_in("engineer")
    page = await engineer.get(PATH)
    for action in ("pause", "resume", "pause"):
        page = await engineer.send(page, f"/{action}", {"note": f"for {action}"})
    browser = await team.signed_in("approver")
    page = await browser.get("/console/trail?action=rollout&limit=2")
    (following,) = [link for link in page.read.links if "cursor=" in link]
    assert "action=rollout" in following
    seen = page.text
    while following:
        page = await browser.get(following)
        assert page.status == 200
        seen += page.text
        following = next((link for link in page.read.links if "cursor=" in link), "")
    assert seen.count("rollout.pause.done") == 2
    assert seen.count("rollout.resume.done") == 1
    assert "session.begin" not in seen
    assert seen.count("engineer asked to pause armani/id/stable (1)") == 2
    assert seen.count("engineer paused armani/id/stable (1)") == 2
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d engineer paused armani/id/stable \(1\)", seen)
    assert "note: for pause" in seen
    assert "&#34;" not in seen
    page = await browser.get("/console/trail", params={"actor": "engineer"})
    assert "approver/" not in page.text
    assert "engineer/s-" in page.text
    empty = await browser.get("/console/trail", params={"subject": "nobody"})
    assert "No entry matches." in empty.text
    page = await browser.get("/console/trail", params={"actor": 'ani "x"', "action": "account"})
    action, fields = page.form("/trail")
    assert (action, fields["actor"]) == ("/console/trail", 'ani "x"')
    assert (await browser.get("/console/trail", params=fields)).status == 200
