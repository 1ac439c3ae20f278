"""The console in a real Chromium: with a keyboard, on a phone, in dark mode, without scripts."""

import asyncio
import contextlib
import io
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import PIL.Image
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
from tests.system import console_state
from tests.system.chromium import MEASURE, find_violations, open_chromium, window

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
CHANNEL = "/console/channels/armani/id/stable"
PAGES = (
    "/",
    "/channels",
    "/channels/armani/id/stable",
    "/channels/armani/id/stable/halt",
    "/channels/armani/id/stable/offer",
    "/channels/armani/id/stable/withdraw",
    "/channels/armani/id/beta",
    "/channels/cancro/id/stable",
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
    """Yield one browser; each window has its own profile."""
    async with open_chromium() as browser:
        yield browser


async def make_admin(world):
    """Make an account that can log in, and return a token for it."""
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
    """The address of a whole server, its device port, and a token of its admin."""

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
        """Return the channel's pointer as a phone receives it."""
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


STAGES = [{"permille": share, "hold": 86_400} for share in (10, 100, 500, 1000)]


@contextlib.asynccontextmanager
async def run(world, **settings):
    """Run a server that has an admin account."""
    token = await make_admin(world)
    ports = []
    made = Settings(**{"port": 0, "api_port": 0, "console": True} | settings)
    async with running(
        world.folder, made, world.now, entropy=os.urandom, announce_api=ports.append
    ) as port:
        scheme = "https" if made.api_cert else "http"
        yield Served(f"{scheme}://127.0.0.1:{ports[0]}", port, token)


@contextlib.asynccontextmanager
async def serve(world, **settings):
    """Run a server that offers the first of four stages to one phone in a hundred."""
    await asyncio.to_thread(world.publish, world.second_release(), [PACKAGE_2])
    async with run(world, **settings) as served:
        await served.api("POST", "/channels/armani/id/stable/offer", plan={"stages": STAGES})
        yield served


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(fresh_state, tmp_path_factory):
    """Yield a server for tests that only read, with a staged, a waiting and a halted rollout."""
    world = fresh_state.copy(tmp_path_factory.mktemp("looked-at") / "state")
    await asyncio.to_thread(console_state.fill, world)
    everyone = {"stages": [{"permille": 1000}]}
    async with run(world, approval_channels=("*/*/beta",)) as served:
        channel = "/channels/armani/id/stable"
        await served.api("POST", f"{channel}/offer", counter=2, plan={"stages": STAGES})
        await served.api("POST", f"{channel}/schedule", plan={"stages": STAGES[1:]})
        await served.api("POST", "/channels/armani/id/beta/offer", counter=3, plan=everyone)
        halted = "/channels/cancro/id/stable"
        await served.api("POST", f"{halted}/offer", counter=2, plan=everyone)
        await served.api("POST", f"{halted}/halt", reason={"en": "It drains the battery."})
        yield served


async def sign_in(page, served):
    """Sign in; the token's field is focused initially, has a label, and Enter submits it."""
    await page.goto(f"{served.url}/console/")
    await page.locator("#token:focus").wait_for()  # typing earlier would move the focus
    field = page.get_by_label("API token")
    await field.fill(served.token)
    await field.press("Enter")
    await page.wait_for_url(f"{served.url}/console/")


#: axe-core's rules that depend on colours and sizes. The others depend on the document only,
#: because no style sheet hides elements.
STYLE_RULES = ("color-contrast", "link-in-text-block", "scrollable-region-focusable")


async def test_accessibility(chromium, server):
    """Pages satisfy axe-core's rules, contrast AA and target sizes, and fit the window.

    They are measured at a phone's width in light colours, and at a desktop's in dark colours, where
    axe-core checks style only. They use no foreign resources.
    """
    found = {}

    async def look(path):
        await page.goto(f"{server.url}/console{path}")
        for width, scheme, rules in ((390, "light", ()), (1280, "dark", STYLE_RULES)):
            await page.set_viewport_size({"width": width, "height": 844})
            await page.emulate_media(color_scheme=scheme)
            problems = [*await page.evaluate(MEASURE), *await find_violations(page, rules)]
            found[path, scheme] = problems

    async with window(chromium) as (page, complaints):
        await look("/sign-in")
        await sign_in(page, server)
        for path in (*PAGES, "/nothing"):
            await look(path)
        assert {path: problems for path, problems in found.items() if problems} == {}
        assert [text for text in complaints if "404" not in text] == []


PICTURES = {"overview": "/", "channel": "/channels/armani/id/stable", "keys": "/keys"}


async def test_screenshots_of_manual(chromium, server, tmp_path):
    """Makes the pictures of docs/how-to/console.md, in the folder HENING_PICTURES if it is set."""
    folder = Path(os.environ.get("HENING_PICTURES", tmp_path))
    async with window(chromium, viewport={"width": 1280, "height": 1000}) as (page, _):
        await sign_in(page, server)
        for name, path in PICTURES.items():
            await page.goto(f"{server.url}/console{path}")
            shot = PIL.Image.open(io.BytesIO(await page.screenshot()))
            shot.quantize(64).save(folder / f"console-{name}.png", optimize=True)
            assert shot.size == (1280, 1000)
            assert (folder / f"console-{name}.png").stat().st_size < 100_000
    text = (HOW_TO / "console.md").read_text(encoding="utf-8")
    assert re.findall(r"\(console-(\w+)\.png\)", text) == list(PICTURES)


async def test_focus_is_visible(chromium, server):
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


async def test_halt_on_a_phone_without_scripts(chromium, world):
    """Two taps from the channel's page halt it; a phone's next poll gets the halt."""
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
async def test_login_at_provider(chromium, world):
    """A user logs in through the pages of a real provider and returns to the requested page."""
    with run_provider() as issuer:
        settings = {"oidc_issuer": issuer, "oidc_audience": "console"}
        async with serve(world, **settings) as served, window(chromium) as (page, _):
            await page.goto(served.url + CHANNEL)
            await page.get_by_role("link", name="Continue to").click()
            await page.locator("input[name=login]").fill(SUBJECT)
            await page.locator("input[name=password]").fill("any")
            await page.get_by_role("button", name="Sign-in").click()
            await page.get_by_role("button", name="Continue").click()
            await page.wait_for_url(f"**{CHANNEL}")
            assert await page.get_by_role("heading", level=1).inner_text() == (
                "armani/id/stable offered"
            )
