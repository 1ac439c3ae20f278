"""A user signs in to the console through the pages of a real OpenID provider, and signs out."""

import contextlib
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import pytest

from server.console.forms import csrf_token
from server.core.errors import TrustError
from tests.openid import run_provider
from tests.server.console.browser import console_world

pytestmark = pytest.mark.needs("openid")


@pytest.fixture(scope="module")
def issuer():
    """Yield the issuer of a provider."""
    with run_provider() as name:
        yield name


def serve(world, issuer, **settings):
    """Serve the console to the provider's accounts."""
    return console_world(world, **{"oidc_issuer": issuer, "oidc_audience": "console"} | settings)


async def set_subject(team, account, subject):
    """Set which user of the provider logs in to an account."""
    body = {"oidc_subject": subject}
    token = await team.token("admin")
    answer = await team.api.call(
        "PATCH",
        f"/accounts/{account}",
        token=token,
        body=body,
        headers={"If-Match": "*"},
    )
    assert answer.status == 200


async def log_in(browser, page, user, *, until="/console/"):
    """Fill in the provider's pages up to the redirect to the console, which is left to the test."""
    while not urlsplit(page.url).path.startswith("/console"):
        action, fields = next(
            (action, fields) for action, _, fields in page.read.forms if "prompt" in fields
        )
        values = fields | {"login": user, "password": "any"}
        page = await browser.ask("POST", action, data=values, follow=False)
        while page.status in {302, 303}:
            address = urljoin(page.url, page.headers["Location"])
            if urlsplit(address).path == "/console/callback" and until == "callback":
                return address
            page = await browser.get(address, follow=False)
    return page


async def begin(browser, path="/console/"):
    """Go to the provider from a page of the console."""
    asked = await browser.get(path)
    link = next(link for link in asked.read.links if "/sign-in/begin" in link)
    return await browser.get(link)


@pytest.mark.parametrize("client", ["console", "secret:console"])
async def test_sign_in_and_out(world, issuer, client, tmp_path):
    """With a public and a confidential client: sign in, return to the requested page, sign out.

    A user without an account is refused, and the session ends if the account's subject is removed.
    """
    settings = {"oidc_audience": client}
    if client != "console":
        file = tmp_path / "secret"
        file.write_text("for tests+only/\n")
        file.chmod(0o600)
        settings["oidc_client_secret_file"] = str(file)
    async with serve(world, issuer, **settings) as team:
        browser = await team.browser()
        page = await log_in(browser, await begin(browser), "subject-of-eka")
        assert page.status == 401
        assert "you have no account here" in page.text
        await set_subject(team, "engineer", "subject-of-eka")
        at_provider = await begin(browser, "/console/channels/armani/id/stable")
        page = await log_in(browser, at_provider, "subject-of-eka")
        assert (page.status, page.path) == (200, "/console/channels/armani/id/stable")
        assert "engineer" in page.text
        assert "hening-session" in browser.cookies()
        assert "hening-door" not in browser.cookies()
        page = await browser.send(page, "/pause", {"note": "by a login"})
        assert "paused" in page.text
        await set_subject(team, "engineer", "another-subject")
        assert (await browser.get("/console/")).path.startswith("/console/sign-in")
        await set_subject(team, "engineer", "subject-of-eka")
        page = await browser.get("/console/")
        left = await browser.send(page, "/sign-out")
        assert left.path == "/console/sign-in"
        told = [entry for entry in await team.audit_log() if entry[0].startswith("engineer/s-")]
        assert [action for _, action, _ in told][:2] == ["session.begin", "rollout.pause"]
        assert told[-1][1:] == ("session.end", "engineer")


async def test_no_sign_in_by_token_with_provider(world, issuer):
    """With a provider, sign-in to the console by token is off."""
    async with serve(world, issuer) as team:
        browser = await team.browser()
        page = await browser.get("/console/sign-in")
        assert page.read.forms == []
        door = browser.cookies()["hening-door"]
        sent = {"csrf": csrf_token(door), "token": await team.token("admin")}
        assert (await browser.ask("POST", "/console/sign-in", data=sent)).status == 401
        assert "hening-session" not in browser.cookies()


async def test_forged_callbacks(world, issuer):
    """Codes that are foreign, used or with another state or issuer, and errors, open no session."""
    async with serve(world, issuer) as team:
        await set_subject(team, "engineer", "subject-of-eka")
        attacker, victim = await team.browser(), await team.browser()
        address = await log_in(attacker, await begin(attacker), "subject-of-eka", until="callback")
        query = {name: value[0] for name, value in parse_qs(urlsplit(address).query).items()}
        assert query["iss"] == issuer

        async def come_back(browser, change):
            sent = {name: value for name, value in (query | change).items() if value is not None}
            return await browser.get(f"/console/callback?{urlencode(sent)}")

        # Another browser, before and after it began a login of its own.
        assert (await come_back(victim, {})).status == 401
        await begin(victim)
        assert (await come_back(victim, {})).status == 401
        for change in (
            {"state": "0" * 64},
            {"state": None},
            {"iss": "https://evil.example"},
            {"iss": None},
            {"error": "access_denied"},
            {"code": "x"},
            {"code": None},
        ):
            # A refusal keeps the pending login, so that the same browser may still complete it.
            assert (await come_back(attacker, change)).status == 401, change
        assert "hening-session" not in victim.cookies()
        page = await come_back(attacker, {})
        assert (page.status, page.path) == (200, "/console/")
        # The pending login is gone, and with it the state of the code.
        assert (await come_back(attacker, {})).status == 401


async def test_wrong_client_secret(world, issuer, tmp_path):
    """If the provider refuses this server's secret, the operator must act: 503 with a message."""
    file = tmp_path / "secret"
    file.write_text("another")
    file.chmod(0o600)
    settings = {"oidc_audience": "secret:console", "oidc_client_secret_file": str(file)}
    async with serve(world, issuer, **settings) as team:
        browser = await team.browser()
        page = await log_in(browser, await begin(browser), "subject-of-eka")
        assert page.status == 503
        assert "oidc_client_secret_file" in page.text
    file.chmod(0o640)
    with pytest.raises(TrustError, match="chmod 600"):
        async with serve(world, issuer, **settings):
            pass


async def test_provider_unreachable(world):
    """Without the provider sign-in fails with a page that says so; existing sessions stay."""
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(run_provider())
        async with serve(world, other) as team:
            await set_subject(team, "engineer", "subject-of-eka")
            browser, late = await team.browser(), await team.browser()
            await log_in(browser, await begin(browser), "subject-of-eka")
            stack.close()
            team.api.ahead(3601)  # the provider's metadata is cached for an hour
            page = await begin(late)
            assert page.status == 503
            assert "identity provider does not answer" in page.text
            assert (await browser.get("/console/")).status == 200
