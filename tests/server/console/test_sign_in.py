"""Signing in and out."""

from types import SimpleNamespace

from server.console.sign_in import Cookies, PendingLogin, check_target


async def test_sign_in_and_sign_out(team):
    """A token opens a session with its own cookie, which signing out ends; both are recorded."""
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
    audit_log = [entry for entry in await team.audit_log() if entry[0] != "server"]
    assert [entry[1:] for entry in audit_log] == [
        ("session.begin", "engineer"),
        ("session.end", "engineer"),
    ]
    assert {entry[0].split("/s-")[0] for entry in audit_log} == {"engineer"}


def test_redirect_targets():
    """Signing in leads only to paths of the console; all others are dropped."""
    for path in ("/console/", "/console/channels/armani/id/stable/halt"):
        assert check_target(path) == path
    for path in (
        "",
        "/",
        "/console",
        "//evil.example/console/",
        "/console//evil.example",
        "/console/../api/v1/me",
        "/console/./x",
        "https://evil.example/console/",
        "/console/\\evil.example",
        "/console/?to=x",
        "/console/#x",
        "/console/\r\nSet-Cookie: x",
        "/console/%2f%2fevil.example",
        "/console/x\n",
        "/console/" + "x" * 201,
        " /console/",
        "javascript:alert(1)",
    ):
        assert check_target(path) == "", path


def test_cookie_attributes():
    """With TLS the cookie is for this host only, and not for scripts or other sites."""
    secure = Cookies(is_secure=True)
    assert secure.set_session("ab", 60) == (
        "__Host-hening-session=ab; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=60"
    )
    plain = Cookies(is_secure=False)
    assert plain.set_session("ab", 60) == (
        "hening-session=ab; Path=/; HttpOnly; SameSite=Lax; Max-Age=60"
    )
    assert secure.set_pending_login(PendingLogin("cd", "/console/trail")).startswith(
        "__Host-hening-door=cd./console/trail; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age="
    )
    assert "cd" not in repr(PendingLogin("cd"))


def test_invalid_cookies_are_ignored():
    """An invalid cookie opens no session and causes no failure."""
    good = "0a" * 32
    for secret in ("", "x", "A" * 64, "0" * 63, "0" * 65, "\udcff\udcfe", good):
        request = SimpleNamespace(cookies={"hening-session": secret})
        assert Cookies(is_secure=False).session(request) == (good if secret == good else "")
