"""The page of sessions: the user's own, or all for an admin; each can be ended alone."""

import re


def ids(page):
    """Return the ids of the sessions on a page."""
    return re.findall(r"<code>(s-[0-9a-f]{12})</code>", page.body)


async def test_ending_one_of_two(team):
    """The other one stays valid; the browser whose session ended is asked to sign in again."""
    here, there = await team.signed_in("engineer"), await team.signed_in("engineer")
    page = await here.get("/console/sessions")
    assert len(ids(page)) == 2
    own = re.search(r"<code>(s-\w+)</code> <span[^>]*>this one", page.body)[1]
    (other,) = set(ids(page)) - {own}
    page = await here.send(page, f"/{other}/end")
    assert ids(page) == [own]
    assert (await there.get("/console/")).path.startswith("/console/sign-in")
    assert (await here.get("/console/")).path == "/console/"


async def test_an_admin_ends_another_users(team):
    """And sees all sessions, which others do not."""
    engineer, admin = await team.signed_in("engineer"), await team.signed_in("admin")
    (own,) = ids(await engineer.get("/console/sessions"))
    page = await admin.get("/console/sessions")
    assert own in ids(page)
    await admin.send(page, f"/{own}/end")
    assert (await engineer.get("/console/")).path.startswith("/console/sign-in")
    ended = [entry for entry in await team.audit_log() if entry[1] == "session.end"]
    assert [(actor.split("/")[0], subject) for actor, _, subject in ended] == [
        ("admin", "engineer")
    ]
