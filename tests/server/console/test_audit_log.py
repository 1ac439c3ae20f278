"""The pages of the audit log: newest first, filtered, one page at a time."""

import re

PATH = "/console/channels/armani/id/stable"


async def test_pages_and_filters(team):
    """A filter stays on the next page; entries are sentences by day, with further details.

    The form uses GET, and its fields keep their input.
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
