"""The console in a real Chromium: with a keyboard, on a phone, in dark mode, without scripts."""

import asyncio
import contextlib
import json
import os
from dataclasses import dataclass

import aiohttp
import pytest
import pytest_asyncio

from server.app import running
from server.release.auth.accounts import change_account, create_account
from server.release.auth.principal import Role, command_line_principal
from server.release.auth.tokens import create_token
from server.settings import Settings
from server.storage.database import open_database
from tests.openid import run_provider
from tests.server.release.certificate import write_certificate
from tests.server.world import PACKAGE_2
from tests.system.chromium import MEASURE, open_chromium, window

CHANNEL = "/console/channels/armani/id/stable"
PAGES = (
    "/",
    "/channels",
    "/channels/armani/id/stable",
    "/channels/armani/id/stable/halt",
    "/channels/armani/id/stable/offer",
    "/channels/armani/id/stable/withdraw",
    "/releases",
    "/releases/armani",
    "/releases/armani/downloads",
    "/content",
    "/keys",
    "/alarms",
    "/accounts",
    "/orders",
    "/trail",
    "/sessions",
)
SUBJECT = "subject-of-eka"
pytestmark = [pytest.mark.needs("chromium"), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium():
    """Give one browser; each window has its own profile."""
    async with open_chromium() as browser:
        yield browser


async def make_admin(world):
    """Make an account that logs in, and a token of it."""
    at = world.epoch()
    operator = command_line_principal("root")
    async with (
        open_database(world.folder.database) as sessions,
        sessions.begin() as session,
    ):
        await create_account(session, operator, name="eka", role=Role.ADMIN, codenames=["*"], at=at)
        await change_account(session, operator, name="eka", subject=SUBJECT, at=at)
        issued = await create_token(
            session, operator, os.urandom, account="eka", label="x", expires_at=at + 3600, at=at
        )
    return issued.text


@dataclass
class Served:
    """The address of a whole server, as `run` runs it, and a token of its admin."""

    url: str
    port: int
    token: str

    async def api(self, method, path, **body):
        """Send a request to the API."""
        headers = {"Authorization": f"Bearer {self.token}", "If-Match": "*"}
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                method, f"{self.url}/api/v1{path}", json=body or None, headers=headers, ssl=False
            ) as answer,
        ):
            assert answer.status == 200, await answer.read()
            return await answer.json()

    async def pointer(self):
        """Return the channel's present offer to a phone."""
        async with aiohttp.ClientSession(f"http://127.0.0.1:{self.port}") as session:

            async def get(path):
                async with session.get(path) as answer:
                    return json.loads(await answer.read())["signed"]

            stamp = await get("/metadata/timestamp.json")
            number = stamp["meta"]["snapshot.json"]["version"]
            snapshot = await get(f"/metadata/{number}.snapshot.json")
            number = snapshot["meta"]["latest.json"]["version"]
            latest = await get(f"/metadata/{number}.latest.json")
            return latest["targets"]["latest/armani/id/stable"]["custom"]


@contextlib.asynccontextmanager
async def serve(world, **settings):
    """Run a server that offers the first of four stages to one phone in a hundred."""
    token = await make_admin(world)
    await asyncio.to_thread(world.publish, world.second_release(), [PACKAGE_2])
    ports = []
    made = Settings(**{"port": 0, "api_port": 0, "console": True} | settings)
    async with running(
        world.folder, made, world.now, entropy=os.urandom, announce_api=ports.append
    ) as port:
        scheme = "https" if made.api_cert else "http"
        served = Served(f"{scheme}://127.0.0.1:{ports[0]}", port, token)
        stages = [{"permille": share, "hold": 86_400} for share in (10, 100, 500, 1000)]
        await served.api("POST", "/channels/armani/id/stable/offer", plan={"stages": stages})
        yield served


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(published_state, tmp_path_factory):
    """Give one for tests that only read."""
    world = published_state.copy(tmp_path_factory.mktemp("looked-at") / "state")
    async with serve(world) as served:
        yield served


async def sign_in(page, served):
    """Sign in: the field has the focus initially, is found by its label, and Enter submits."""
    await page.goto(f"{served.url}/console/")
    await page.locator("#token:focus").wait_for()  # typing earlier would move the focus
    field = page.get_by_label("API token")
    await field.fill(served.token)
    await field.press("Enter")
    await page.wait_for_url(f"{served.url}/console/")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
async def test_what_can_be_measured(chromium, server, scheme, width):
    """Contrast AA, labels, targets, nothing wider than the screen, no foreign resources."""
    look = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme}
    async with window(chromium, **look) as (page, complaints):
        await page.goto(f"{server.url}/console/sign-in")
        found = {"/sign-in": await page.evaluate(MEASURE)}
        await sign_in(page, server)
        for path in (*PAGES, "/nothing"):
            await page.goto(f"{server.url}/console{path}")
            found[path] = await page.evaluate(MEASURE)
        assert {path: problems for path, problems in found.items() if problems} == {}
        assert [text for text in complaints if "404" not in text] == []


async def test_the_focus_is_seen(chromium, server):
    """With the Tab key the focus is visible, and the repeated part of pages can be skipped."""
    async with window(chromium) as (page, _):
        await sign_in(page, server)
        await page.goto(server.url + CHANNEL)
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        seen = set()
        for _ in range(40):
            text = "e => { const s = getComputedStyle(e);"
            text += " return [e.tagName + e.textContent.trim(), s.outlineStyle, s.outlineWidth]; }"
            name, style, outline = await page.evaluate(f"({text})(document.activeElement)")
            if name.startswith("BODY"):
                break
            assert (style, outline) == ("solid", "3px"), name
            seen.add(name)
            await page.keyboard.press("Tab")
        assert {"AHalt\N{HORIZONTAL ELLIPSIS}", "BUTTONSign out"} <= seen


async def test_halting_on_a_phone_without_scripts(chromium, world):
    """Two taps from the channel's page; a phone's next poll finds it halted."""
    async with serve(world) as served:
        phone = {"viewport": {"width": 390, "height": 844}, "java_script_enabled": False}
        async with window(chromium, **phone) as (page, complaints):
            await sign_in(page, served)
            await page.get_by_role("link", name="armani/id/stable").first.click()
            await page.get_by_role("link", name="Halt\N{HORIZONTAL ELLIPSIS}").click()
            await page.get_by_label("Reason 1").fill("It drains the battery.")
            await page.get_by_role("button", name="Halt armani/id/stable now").click()
            await page.wait_for_url(f"**{CHANNEL}")
            assert await page.get_by_role("heading", level=1).inner_text() == (
                "armani/id/stable halted"
            )
            assert await page.get_by_text("It drains the battery.").is_visible()
            pointer = await served.pointer()
            assert pointer["h"] is True
            assert pointer["t"] == {"en": "It drains the battery."}
            assert complaints == []


async def test_cookies_over_tls(chromium, world, tmp_path, unused_tcp_port):
    """A browser keeps the cookies with the prefix that binds them to this host and to TLS."""
    cert, key, _ = await asyncio.to_thread(write_certificate, tmp_path)
    url = f"https://127.0.0.1:{unused_tcp_port}"
    settings = {"api_port": unused_tcp_port, "api_cert": str(cert), "api_key": str(key)}
    async with (
        serve(world, console_url=url, **settings) as served,
        window(chromium, ignore_https_errors=True) as (page, _),
    ):
        await sign_in(page, served)
        (cookie,) = await page.context.cookies()
        assert cookie["name"] == "__Host-hening-session"
        assert (cookie["secure"], cookie["httpOnly"]) == (True, True)
        assert (cookie["sameSite"], cookie["path"]) == ("Lax", "/")
        assert await page.evaluate("document.cookie") == ""
        await page.get_by_role("button", name="Sign out").click()
        await page.wait_for_url("**/console/sign-in")
        assert [each["name"] for each in await page.context.cookies()] == ["__Host-hening-door"]


@pytest.mark.needs("openid")
async def test_a_login_at_the_provider(chromium, world):
    """Through the pages of a real provider and back to the requested page."""
    with run_provider() as issuer:
        settings = {"oidc_issuer": issuer, "oidc_audience": "console"}
        async with serve(world, **settings) as served, window(chromium) as (page, _):
            await page.goto(served.url + CHANNEL)
            await page.get_by_role("link", name="Go on to").click()
            await page.locator("input[name=login]").fill(SUBJECT)
            await page.locator("input[name=password]").fill("any")
            await page.get_by_role("button", name="Sign-in").click()
            await page.get_by_role("button", name="Continue").click()
            await page.wait_for_url(f"**{CHANNEL}")
            assert await page.get_by_role("heading", level=1).inner_text() == (
                "armani/id/stable offered"
            )
