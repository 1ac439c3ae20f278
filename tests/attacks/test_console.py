"""Attacks on the console: cross-site requests, known cookies, markup in names."""

import itertools
import re
from dataclasses import replace

import pytest
import pytest_asyncio

from server.console.forms import csrf_token
from tests.cases import case
from tests.server.console.browser import console_world
from tests.server.console.test_rights import CLOSED

PATH = "/console/channels/armani/id/stable"
MARKUP = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&"
HIDDEN = "fast \u202egpj.exe\u200b\x1b[2J"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def team(published_state, tmp_path_factory):
    """Yield a console with an account for each role; no attack changes its state."""
    world = published_state.copy(tmp_path_factory.mktemp("attacked") / "state")
    async with console_world(world) as made:
        yield made


async def is_halted(team):
    """Return whether the channel is halted."""
    answer = await team.api.call(
        "GET", "/channels/armani/id/stable", token=await team.token("admin")
    )
    return answer.json["state"] == "halted"


FORGED = [
    *({"Origin": origin} for origin in ("https://evil.example", "null", "", "http://127.0.0.1")),
    *({"Sec-Fetch-Site": site} for site in ("cross-site", "same-site")),
]


async def test_cross_site_form(team):
    """A cross-site request with the victim's cookies is refused, and nothing is halted."""
    browser = await team.signed_in("engineer")
    action, fields = (await browser.get(f"{PATH}/halt")).form("/halt")
    without = {name: value for name, value in fields.items() if name != "csrf"}
    tokens = [{}, {"csrf": ""}, {"csrf": "0" * 64}]
    for headers, sent in (
        *((headers, fields) for headers in FORGED),
        *(({}, without | token) for token in tokens),
    ):
        with case(headers, sent):
            answer = await browser.ask("POST", action, data=sent, headers=headers)
            assert answer.status == 403
    assert not await is_halted(team)


async def test_every_form_refuses_cross_site_requests(team):
    """Every form refuses cross-site requests; requests of the same origin need the page's token."""
    browser = await team.signed_in("admin")
    secret = browser.cookies()["hening-session"]
    known = {"codename": "armani", "region": "id", "channel": "stable"}
    posts = [name.removeprefix("POST ") for name in CLOSED if name.startswith("POST ")]
    for name, change in itertools.product(posts, (FORGED[0], {})):
        with case(name, change):
            path = re.sub(r"\{(\w+)\}", lambda match: known.get(match[1], "x"), name)
            token = csrf_token(secret if change else "of another page")
            fields = {"csrf": token, "counter": "1"}
            answer = await browser.ask("POST", path, data=fields, headers=change, follow=False)
            assert answer.status == 403
            assert "not from a page of this session" in answer.text


async def test_csrf_token_of_another_session(team):
    """A token of one session's page is not valid in another session."""
    attacker, victim = await team.signed_in("approver"), await team.signed_in("engineer")
    action, fields = (await attacker.get(f"{PATH}/halt")).form("/halt")
    answer = await victim.ask("POST", action, data=fields)
    assert answer.status == 403
    assert not await is_halted(team)


async def test_other_content_types(team):
    """Other content types, which another site may send without preflight, are not read."""
    browser = await team.signed_in("engineer")
    for kind, body in (
        *(("application/json", b"{}"), ("text/plain", b"csrf=x"), ("multipart/form-data", b"")),
    ):
        sent = {"Content-Type": kind}
        answer = await browser.ask("POST", f"{PATH}/halt", data=body, headers=sent)
        assert answer.status == 415, kind
    assert not await is_halted(team)


async def test_get_changes_nothing(team):
    """Actions accept POST alone, so a link that is followed or previewed has no effect."""
    browser = await team.signed_in("engineer")
    for action in ("pause", "resume"):
        assert (await browser.get(f"{PATH}/{action}")).status == 405
    assert (await browser.get("/console/sign-out")).status == 405
    assert (await browser.get(f"{PATH}/halt")).status == 200
    assert not await is_halted(team)
    assert (await browser.get("/console/")).path == "/console/"


async def test_login_csrf(team):
    """A sign-in is accepted only from the console's own page, which prevents login CSRF."""
    browser = await team.browser()
    action, fields = (await browser.get("/console/sign-in")).form("/sign-in")
    token = await team.token("viewer")
    for headers, change in (({"Origin": "https://evil.example"}, {}), ({}, {"csrf": "0" * 64})):
        sent = fields | change | {"token": token}
        assert (await browser.ask("POST", action, data=sent, headers=headers)).status == 403
    assert (await browser.get("/console/")).path.startswith("/console/sign-in")


async def test_session_fixation(team):
    """The session secret is drawn at sign-in; a planted one is not valid before or after it."""
    planted = "ab" * 32
    browser = await team.browser()
    browser.session.cookie_jar.update_cookies({"hening-session": planted})
    await browser.sign_in(await team.token("engineer"))
    first = browser.cookies()["hening-session"]
    assert first != planted
    assert re.fullmatch("[0-9a-f]{64}", first)
    await browser.sign_in(await team.token("engineer"))
    assert browser.cookies()["hening-session"] != first
    stranger = await team.browser()
    for secret in (planted, first):
        page = await stranger.get("/console/", headers={"Cookie": f"hening-session={secret}"})
        assert page.path.startswith("/console/sign-in")


ELSEWHERE = (
    *("https://evil.example/", "//evil.example/", "/console//evil.example", "/%5cevil.example"),
    *("/console/../../evil", "/console/%0d%0aSet-Cookie:x", "javascript:alert(1)"),
)


async def test_open_redirect(team):
    """A link to the sign-in page cannot redirect to another site."""
    browser = await team.browser()
    token = await team.token("viewer")
    for target in ELSEWHERE:
        page = await browser.get("/console/sign-in", params={"to": target})
        for change in ({}, {"to": target}):
            answer = await browser.send(page, "/sign-in", {"token": token} | change, follow=False)
            assert (answer.status, answer.headers["Location"]) == (303, "/console/"), target
            page = await browser.get("/console/sign-in")


@pytest.fixture
def older(monkeypatch):
    """Accept every text, as an older version did."""
    monkeypatch.setattr("server.release.rollouts.rollouts.check_words", lambda *_: None)
    monkeypatch.setattr("server.release.rollouts.rollouts.check_note", lambda _: None)
    monkeypatch.setattr("server.publisher.rollout.sound_reason", lambda reason, _: dict(reason))
    monkeypatch.setattr("server.publisher.plan.check_reasons", lambda *_: None)


async def test_misleading_text_is_refused(world):
    """Forms of rollout commands and change requests refuse markup and hidden characters."""
    async with console_world(world) as team:
        policy = team.services.rollouts._policy
        team.services.rollouts._policy = replace(policy, approval_channels=("*/*/stable",))
        engineer, approver = await team.signed_in("engineer"), await team.signed_in("approver")
        for text, (form, name) in itertools.product(
            (MARKUP, HIDDEN), (("/pause", "note"), ("/halt", "note"), ("/halt", "text-1"))
        ):
            fields = {"locale-1": "en"} if name == "text-1" else {}
            page = await engineer.get(f"{PATH}/halt" if form == "/halt" else PATH)
            refused = await engineer.send(page, form, fields | {name: text})
            assert (refused.status, "not plain text" in refused.text) == (422, True)
        await engineer.send(await engineer.get(PATH), "/pause")
        await engineer.send(await engineer.get(PATH), "/resume")
        page = await approver.get("/console/orders?state=waiting")
        (link,) = {link for link in page.read.links if "/orders/" in link}
        for text in (MARKUP, HIDDEN):
            refused = await approver.send(await approver.get(link), "/reject", {"reason": text})
            assert (refused.status, "not plain text" in refused.text) == (422, True)
        assert "waiting" in (await approver.get(link)).text


@pytest.mark.usefixtures("older")
async def test_misleading_text_of_older_version(world):
    """Notes, reasons and labels that an older version accepted are shown with escapes."""
    async with console_world(world) as team:
        shown = await write_everywhere(team, HIDDEN + MARKUP)
        for each in shown:
            assert not set("\u202e\u200b\x1b") & set(each.body)
            assert "<script" not in each.body
            assert "<img src=x" not in each.body
        for each in shown[:2]:
            assert r"fast \u{202e}gpj.exe\u{200b}\u{1b}[2J" in each.text
            assert MARKUP in each.read.text


async def write_everywhere(team, text):
    """Pause and halt with `text` in every free-text field, and return all pages."""
    engineer = await team.signed_in("engineer")
    page = await engineer.get(PATH)
    page = await engineer.send(page, "/pause", {"note": text})
    order = next(link for link in page.read.links if "/orders/" in link)
    halt = await engineer.get(f"{PATH}/halt")
    fields = {"locale-1": "en", "text-1": text, "note": text}
    halted = await engineer.send(halt, "/halt", fields)
    admin = await team.signed_in("admin")
    shown = [
        await admin.get(path)
        for path in (order, PATH, "/console/", "/console/orders", "/console/channels")
    ]
    shown.append(await admin.get("/console/trail", params={"actor": text}))
    shown.append(await admin.get("/console/trail"))
    shown += [page, halted]
    assert {each.status for each in shown} == {200}
    return shown


async def test_markup_in_paths_and_queries(team):
    """Text from a link does not appear in a page, not even in a refusal."""
    admin = await team.signed_in("admin")
    for path in (
        f"/console/{MARKUP}",
        f"/console/orders/{MARKUP}",
        f"/console/orders?state={MARKUP}",
        f"/console/trail?cursor={MARKUP}",
        f"/console/trail?{MARKUP}=1",
    ):
        page = await admin.get(path)
        assert page.status in {400, 404, 422}
        assert "<script" not in page.body
        assert "<img src=x" not in page.body


async def test_security_headers(team):
    """Pages allow no scripts, frames, resources of other sites or caching by the browser."""
    admin = await team.signed_in("admin")
    stranger = await team.browser()
    names = [re.sub(r"/\{.*", "", name.removeprefix("GET ")) for name in CLOSED if name[0] == "G"]
    forms = [f"{PATH}/{form}" for form in ("halt", "offer", "withdraw")]
    paths = {*names, *forms, PATH, "/console/releases/armani", "/console/nothing"}
    assert len(paths) > 14
    pages = [await admin.get(path) for path in sorted(paths)]
    pages.append(await stranger.get("/console/sign-in"))
    for page in pages:
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "base-uri 'none'" in policy
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Referrer-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in page.headers
        assert re.findall(r'(?:src|href|action)="(?!/console/|#)', page.body) == []


async def test_api_refuses_session_cookie(team):
    """A session opens pages only: the API does not accept its cookie."""
    browser = await team.signed_in("admin")
    assert (await browser.get("/api/v1/me")).status == 401


async def test_dns_rebinding(team):
    """A Host name of an attacker (DNS rebinding) gets no page."""
    browser = await team.browser()
    page = await browser.get("/console/sign-in", headers={"Host": "evil.example"})
    assert page.status == 421


async def test_limit_of_guesses(world):
    """Invalid tokens and cookies count towards one shared limit of guesses."""
    async with console_world(world, api_rate=1) as team:
        browser = await team.browser()
        statuses = [
            (await browser.get("/console/", headers={"Cookie": f"hening-session={n:064x}"})).status
            for n in range(6)
        ]
    assert statuses == [200, 200, 200, 200, 429, 429]
