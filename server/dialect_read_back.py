"""Step 7 of publishing for the dialects: their public URLs answer what was rendered.

A service for one app that hangs while the others answer strands its fleet, so each dialect is asked
in every publication.
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus

import aiohttp

from server.compat.dialects import DIALECTS
from server.compat.options import CompatOptions, DialectName
from server.compat.pages import Content, Contents, Page
from server.compat.rendering import Rendered
from server.http.answers import Package

PATIENCE = 30  # seconds for an answer as a whole
CACHE_SECONDS = 75.0  # a list may be cached for 60 s; the rest is slack
TAKING_SECONDS = 5.0  # until every worker has the map; a path that is new is not there before
PAUSE_SECONDS = 1.0
LOOK_SECONDS = 0.05


def choose_paths(
    options: CompatOptions, before: Contents, after: Contents
) -> Iterator[tuple[DialectName, str, Page | Package]]:
    """Yield of each dialect the lists that changed, or one, and one package. Pure."""
    for name in options.dialects:
        own = _own(name, after)
        lists = {path: each for path, each in own.items() if isinstance(each, Page)}
        changed = {path: each for path, each in lists.items() if before.get(path) != each}
        chosen: dict[str, Page] = changed or dict(sorted(lists.items())[:1])
        for path, page in sorted(chosen.items()):
            yield name, path, page
        packages = [(path, each) for path, each in own.items() if isinstance(each, Package)]
        for path, package in sorted(packages)[-1:]:
            yield name, path, package


def _own(name: DialectName, contents: Contents) -> dict[str, Content]:
    grammar = re.compile(DIALECTS[name].grammar)
    return {path: each for path, each in contents.items() if grammar.fullmatch(path)}


@dataclass(eq=False)
class DialectReadBack:
    """Asks over the public URL, as the apps do, and tells `alarm` what does not answer.

    `rendered` returns the map that is served, `clock` epoch seconds. Workers have `taking` seconds
    to take it.
    """

    options: CompatOptions
    rendered: Callable[[], Rendered]
    clock: Callable[[], float]
    alarm: Callable[[str], None]
    taking: float = TAKING_SECONDS
    _before: Contents = field(default_factory=dict, init=False)

    async def look(self, version: int) -> None:
        """Ask each dialect once the timestamp with this version, or a later one, is rendered.

        What differs is asked again until caches have expired.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE
        while self.rendered().version < version:
            if loop.time() > until:
                self.alarm("the dialects do not show what was published: see the log.")
                return
            await asyncio.sleep(LOOK_SECONDS)
        after = self.rendered().at(int(self.clock()))
        asked = list(choose_paths(self.options, self._before, after))
        self._before = after
        wrong: dict[DialectName, str] = {}
        async with aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
            timeout=aiohttp.ClientTimeout(total=PATIENCE),
        ) as session:
            for name, path, content in asked:
                fault = await self._ask(session, path, content)
                if fault:
                    wrong.setdefault(name, fault)
        for name, fault in wrong.items():
            others = [each for each in self.options.dialects if each not in wrong]
            beside = f", while {', '.join(others)} answer" if others else ""
            self.alarm(f"dialect {name}: {fault}{beside}.")

    async def _ask(self, session: aiohttp.ClientSession, path: str, content: Page | Package) -> str:
        """Return what is wrong with an answer, or nothing."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        url = self.options.public_url + path
        while True:
            try:
                fault = await _compare(session, url, content)
            except (TimeoutError, aiohttp.ClientError) as error:
                return f"{url} does not answer: {str(error) or type(error).__name__}"
            is_current = self.rendered().at(int(self.clock())).get(path) == content
            if not fault or not is_current:  # a later publication changed it
                return ""
            wait = CACHE_SECONDS if fault is _OTHER else self.taking
            if loop.time() > begun + wait:
                return fault.format(url)
            await asyncio.sleep(PAUSE_SECONDS)


_OTHER = "{} answers with another list than was published"


async def _compare(session: aiohttp.ClientSession, url: str, content: Page | Package) -> str:
    if isinstance(content, Page):
        async with session.get(url, allow_redirects=False) as response:
            if response.status != HTTPStatus.OK:
                return f"{{}} answers {response.status}"
            data = await response.content.read(len(content.body) + 1)
            return "" if data == content.body else _OTHER
    wanted = f"bytes 0-0/{content.length}"
    headers = {"Range": "bytes=0-0"}
    async with session.get(url, headers=headers, allow_redirects=False) as response:
        found = response.status, response.headers.get("Content-Range")
        if found != (HTTPStatus.PARTIAL_CONTENT, wanted):
            return "{} does not answer a range request rightly"
    return ""
