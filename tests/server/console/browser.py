"""A browser without scripts: it keeps cookies, submits forms, and sends Origin and Referer."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from html.parser import HTMLParser
from unittest.mock import patch
from urllib.parse import urljoin, urlsplit

import aiohttp

from server.console import site as console
from server.console.overview import ProcessState
from server.console.rendering import Pages
from server.publisher.expiry.monitor import MonitorResult
from server.settings import Settings
from tests.server.release.api_world import FAST, api_world
from tests.server.release.auth.issue import issue_token


class Forms(HTMLParser):
    """Collects a page's forms with their fields, and its text."""

    def __init__(self, text):
        super().__init__()
        self.forms, self.links, self.assets, self.text = [], [], [], ""
        self._select = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Record forms, fields and links."""
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((values["action"], values["method"], {}))
        elif tag == "input" and self.forms and "name" in values:
            self.forms[-1][2][values["name"]] = values.get("value", "")
        elif tag == "textarea":
            self.forms[-1][2][values["name"]] = ""
        elif tag == "select":
            self._select = values["name"]
        elif tag == "option":  # browsers send the first one unless another is selected
            fields, value = self.forms[-1][2], values.get("value", "")
            if self._select not in fields or "selected" in values:
                fields[self._select] = value
        elif tag == "a":
            self.links.append(values["href"])
        elif tag in {"link", "img"}:
            self.assets.append(values.get("href") or values["src"])

    def handle_data(self, data):
        """Record visible text."""
        self.text += f" {data}"


@dataclass
class Page:
    """A page in the browser."""

    url: str
    status: int
    headers: aiohttp.typedefs.LooseHeaders
    body: str
    read: Forms = field(init=False)

    def __post_init__(self):
        self.read = Forms(self.body)

    @property
    def path(self):
        """The current path and query."""
        parts = urlsplit(self.url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    @property
    def text(self):
        """The visible text with single spaces."""
        return " ".join(self.read.text.split())

    def form(self, ending):
        """Return action and fields of the form whose action ends with this."""
        (found,) = [form for form in self.read.forms if form[0].endswith(ending)]
        return found[0], dict(found[2])


class Browser:
    """A person's browser."""

    def __init__(self, session, base):
        self.session, self.base = session, base

    async def ask(self, method, path, *, follow=True, **options):
        """Send a request; a form has its Origin, as in browsers."""
        url = urljoin(self.base, path)
        headers = dict(options.pop("headers", {}))
        if method == "POST":
            headers.setdefault("Origin", self.base)
        async with self.session.request(
            method, url, headers=headers, allow_redirects=follow, **options
        ) as answer:
            page = Page(str(answer.url), answer.status, answer.headers, await answer.text())
        assert "Server" not in page.headers
        return page

    async def get(self, path, **options):
        """Open a page."""
        return await self.ask("GET", path, **options)

    async def send(self, page, ending, values=None, **options):
        """Fill in and submit the page's form whose action ends with this."""
        action, fields = page.form(ending)
        return await self.ask("POST", action, data=fields | (values or {}), **options)

    async def sign_in(self, token, to=""):
        """Sign in with a token."""
        page = await self.get("/console/sign-in" + (f"?to={to}" if to else ""))
        return await self.send(page, "/sign-in", {"token": token})

    def cookies(self):
        """Return the cookies by name."""
        return {cookie.key: cookie.value for cookie in self.session.cookie_jar}


@dataclass
class Team:
    """A console with an account for each role, and browsers for them."""

    api: object
    process: dict
    stack: contextlib.AsyncExitStack

    @property
    def services(self):
        """The services that the pages use."""
        return self.api.services

    async def browser(self):
        """Return a new browser."""
        jar = aiohttp.CookieJar(unsafe=True)  # otherwise it would keep no cookie of an IP address
        session = await self.stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))
        return Browser(session, self.api.url)

    async def token(self, name):
        """Make a token of an account."""
        return await issue_token(self.services, name)

    async def signed_in(self, name):
        """Return a browser that is signed in to an account."""
        browser = await self.browser()
        page = await browser.sign_in(await self.token(name))
        assert page.path == "/console/", page.body
        return browser

    async def audit_log(self):
        """Return actor, action and subject of every entry."""
        answer = await self.api.call("GET", "/trail?limit=200", token=await self.token("admin"))
        return [
            (entry["actor"], entry["action"], entry["subject"])
            for entry in reversed(answer.json["items"])
            if entry["action"] != "token.create"
        ]


@cache
def pages():
    """Return the compiled templates; compiling them takes a sixth of a second."""
    return Pages()


@contextlib.asynccontextmanager
async def console_world(world, **settings):
    """Serve the console on a world's state folder; pass further settings by name.

    Members of its `process` may be changed: `reasons`, `seen`, `behind`, `alarms`.
    """
    known = {"reasons": [], "seen": MonitorResult(), "behind": timedelta(), "alarms": []}
    process = ProcessState(
        lambda: known["reasons"],
        lambda: known["seen"],
        lambda: world.now() - known["behind"],
    )
    fast = {"api_port": 0, "api_rate": FAST, "sign_ins_per_hour": 10_000}
    made = Settings(**fast | {"console": True, "changes_per_hour": FAST} | settings)
    with patch.object(console, "Pages", pages):
        site = await asyncio.to_thread(console.open_console, made, process)
    async with (
        api_world(
            world,
            settings=made,
            real_tokens=True,
            site=site,
            alarms=lambda: known["alarms"],
        ) as api,
        contextlib.AsyncExitStack() as stack,
    ):
        yield Team(api, known, stack)
