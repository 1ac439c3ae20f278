"""Signing in and out: what opens, what does not, and what stays of it."""


async def test_a_token_opens_and_signing_out_closes(team):
    """The session has a cookie of its own, the trail knows of both, and nothing opens after it."""
    browser = await team.browser()
    asked = await browser.get("/console/channels")
    assert asked.path == "/console/sign-in?to=/console/channels"
    token = await team.token("engineer")
    page = await browser.send(asked, "/sign-in", {"token": token})
    assert (page.status, page.path) == (200, "/console/channels")
    assert "armani/id/stable" in page.text
    (name, secret) = next(iter(browser.cookies().items()))
    assert name == "hening-session"
    assert secret not in page.body
    assert token not in page.body
    left = await browser.send(page, "/sign-out")
    assert left.path == "/console/sign-in"
    assert (await browser.get("/console/")).path == "/console/sign-in?to=/console/"
    again = await browser.get("/console/", headers={"Cookie": f"hening-session={secret}"})
    assert again.path.startswith("/console/sign-in")
    trail = [entry for entry in await team.trail() if entry[0] != "server"]
    assert [entry[1:] for entry in trail] == [
        ("session.begin", "engineer"),
        ("session.end", "engineer"),
    ]
    assert {entry[0].split("/s-")[0] for entry in trail} == {"engineer"}
