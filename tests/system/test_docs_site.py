"""The site of `make docs` in a real Chromium, at the width of a phone and of a desktop."""

import contextlib
import functools
import http.server
import subprocess
import threading
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import TimeoutError as NotInTime

from tests.patience import PATIENCE
from tests.system.chromium import open_chromium, window

ROOT = Path(__file__).parents[2]
PAGES = (
    "index.html",
    "tutorial/first-release.html",
    "how-to/halt.html",
    "reference/settings.html",
    "explanation/how-a-release-travels.html",
    "explanation/chain-of-trust.html",
    "FORMATS.html",
)
BEYOND = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
BROKEN = "[...document.images].filter(each => !each.naturalWidth).map(each => each.src)"
pytestmark = pytest.mark.needs("docs")


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files without logging requests."""

    def log_message(self, *_):
        """Log nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the site; a page outside the navigation or a broken link fails the build."""
    folder = tmp_path_factory.mktemp("site")
    python = ROOT / ".venv-docs" / "bin" / "python"
    done = subprocess.run(
        [python, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={"NO_MKDOCS_2_WARNING": "1", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def address(site):
    """Serve the site on loopback."""
    handler = functools.partial(Handler, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium():
    """Yield one browser."""
    async with open_chromium() as browser:
        yield browser


class Loads(HTMLParser):
    """Collects the addresses that a browser loads with a page, without a click."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        """Collect addresses of all elements except links."""
        if tag != "a":
            self.found += [value for name, value in attrs if name in {"src", "href", "srcset"}]


def test_no_page_names_another_host(site):
    """Pages load nothing from another host, and neither do style sheets."""
    pages = list(site.rglob("*.html"))
    assert len(pages) > 150
    for page in pages:
        loads = Loads()
        loads.feed(page.read_text(encoding="utf-8"))
        assert [each for each in loads.found if each and "//" in each] == [], page
    sheets = [sheet.read_text(encoding="utf-8") for sheet in site.rglob("*.css")]
    assert sheets
    assert not [sheet for sheet in sheets if "url(http" in sheet or "@import" in sheet]


@pytest.mark.needs("chromium")
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
async def test_pages_fit_and_are_self_contained(chromium, address, scheme, width):
    """No page scrolls sideways, lacks a picture, logs an error, or connects to another host."""
    options = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    async with window(chromium, **options) as (page, complaints):
        for name in PAGES:
            await page.goto(f"{address}/{name}", wait_until="load")
            assert await page.evaluate(BEYOND) <= 0, name
            assert await page.evaluate(BROKEN) == [], name
    assert complaints == []


@pytest.mark.needs("chromium")
@pytest.mark.asyncio(loop_scope="module")
async def test_commands_are_copied_and_screenshots_open(chromium, address):
    """A block's button copies commands without prompts and output; a screenshot links to itself."""
    rights = ["clipboard-read", "clipboard-write"]
    async with window(chromium, permissions=rights) as (page, complaints):
        await page.goto(f"{address}/how-to/notice-to-owners.html", wait_until="load")
        block = page.locator(".highlight", has_text="content notices --phone")
        shown = (await block.inner_text()).splitlines()
        await block.hover()
        await block.locator("[data-md-type=copy]").click()
        # Do not wait for the message, which disappears by itself.
        await page.wait_for_function("navigator.clipboard.readText()", timeout=0)
        copied = (await page.evaluate("navigator.clipboard.readText()")).splitlines()
        assert copied == [line.removeprefix("$ ") for line in shown if line.startswith("$ ")]
        assert 0 < len(copied) < len([line for line in shown if line])
        await page.goto(f"{address}/how-to/console.html", wait_until="load")
        assert complaints == []
        await page.get_by_alt_text("The overview").click()
        await page.wait_for_url("**/console-overview.png")  # the picture has no icon


@pytest.mark.needs("chromium")
@pytest.mark.asyncio(loop_scope="module")
async def test_search(chromium, address):
    """A search finds the page that contains the words, without another host."""
    async with window(chromium, viewport={"width": 1280, "height": 900}) as (page, complaints):
        found = page.locator(".md-search-result__link[href*='how-to/halt']").first
        end = time.monotonic() + PATIENCE
        while not await found.count():
            assert time.monotonic() < end
            # Load the page again each time: text typed before the page's script runs is ignored,
            # and a busy machine may have ended the script's worker.
            await page.goto(f"{address}/index.html", wait_until="load")
            await page.fill("input[name=query]", "drains the battery halt")
            with contextlib.suppress(NotInTime):  # on a busy machine a search takes a while
                await found.wait_for(state="attached", timeout=15_000)
    assert complaints == []
