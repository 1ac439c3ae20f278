"""Renders the dialects of existing Updater apps for the workers, and reads them back.

Step 7 of publishing also compares the answers of their public URLs with the rendered lists. If the
service of one app hangs while the others answer, that app's fleet gets no updates, so each
publication checks each dialect.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import aiohttp
import structlog

from server.compat.dialects import DIALECTS
from server.compat.options import CompatOptions, DialectName
from server.compat.pages import Content, Contents, Page
from server.compat.rendering import Rendered, render
from server.core.errors import FormatError, HeningError
from server.device.snapshot import EMPTY, Snapshot
from server.http.answers import Package
from server.processes.messages import Certificate
from server.processes.serving import load_certificate
from server.stores import Clock

PATIENCE = 30  # seconds for a whole answer
CACHE_SECONDS = 75.0  # a list may be cached for 60 s; the rest is slack
TAKING_SECONDS = 5.0  # until every worker has the map; a new path answers 404 until then
PAUSE_SECONDS = 1.0
LOOK_SECONDS = 0.05
log = structlog.get_logger()


def choose_paths(
    options: CompatOptions, before: Contents, after: Contents
) -> Iterator[tuple[DialectName, str, Page | Package]]:
    """Yield the paths to check: for each dialect its changed lists, or else one, and one package.

    Pure.
    """
    for name in options.dialects:
        contents = _own(name, after)
        lists = {path: each for path, each in contents.items() if isinstance(each, Page)}
        changed = {path: each for path, each in lists.items() if before.get(path) != each}
        chosen: dict[str, Page] = changed or dict(sorted(lists.items())[:1])
        for path, page in sorted(chosen.items()):
            yield name, path, page
        packages = [(path, each) for path, each in contents.items() if isinstance(each, Package)]
        for path, package in sorted(packages)[-1:]:
            yield name, path, package


def _own(name: DialectName, contents: Contents) -> dict[str, Content]:
    grammar = re.compile(DIALECTS[name].grammar)
    return {path: each for path, each in contents.items() if grammar.fullmatch(path)}


@dataclass(eq=False)
class DialectReadBack:
    """Sends the apps' requests to the public URL, and passes failures to `alarm`.

    `rendered` returns the map that is served, `clock` epoch seconds. Workers have `taking` seconds
    to load the map.
    """

    options: CompatOptions
    rendered: Callable[[], Rendered]
    clock: Callable[[], float]
    alarm: Callable[[str], None]
    taking: float = TAKING_SECONDS
    _before: Contents = field(default_factory=dict, init=False)

    async def check(self, version: int) -> None:
        """Check each dialect when the timestamp with this version, or a later one, is rendered.

        A path whose answer differs is requested again until caches have expired.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE
        while self.rendered().version < version:
            if loop.time() > until:
                self.alarm("the dialects do not show what was published: see the log.")
                return
            await asyncio.sleep(LOOK_SECONDS)
        after = self.rendered().at(int(self.clock()))
        requests = list(choose_paths(self.options, self._before, after))
        self._before = after
        wrong: dict[DialectName, str] = {}
        async with aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
            timeout=aiohttp.ClientTimeout(total=PATIENCE),
        ) as session:
            for name, path, content in requests:
                fault = await self._ask(session, path, content)
                if fault:
                    wrong.setdefault(name, fault)
        for name, fault in wrong.items():
            others = [each for each in self.options.dialects if each not in wrong]
            note = f", while {', '.join(others)} answer" if others else ""
            self.alarm(f"dialect {name}: {fault}{note}.")

    async def _ask(self, session: aiohttp.ClientSession, path: str, content: Page | Package) -> str:
        """Return what is wrong with the answer for `path`; empty if it is correct."""
        loop = asyncio.get_running_loop()
        start = loop.time()
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
            if loop.time() > start + wait:
                return fault.format(url)
            await asyncio.sleep(PAUSE_SECONDS)


_OTHER = "{} answers with a list other than the published one"


async def _compare(session: aiohttp.ClientSession, url: str, content: Page | Package) -> str:
    if isinstance(content, Page):
        async with session.get(url, allow_redirects=False) as response:
            if response.status != HTTPStatus.OK:
                return f"{{}} answers {response.status}"
            data = await response.content.read(len(content.body) + 1)
            return "" if data == content.body else _OTHER
    expected = f"bytes 0-0/{content.length}"
    headers = {"Range": "bytes=0-0"}
    async with session.get(url, headers=headers, allow_redirects=False) as response:
        found = response.status, response.headers.get("Content-Range")
        if found != (HTTPStatus.PARTIAL_CONTENT, expected):
            return "{} does not answer a range request correctly"
    return ""


def split_address(listen: str) -> tuple[str, int]:
    """Return host and port of `ADDRESS:PORT`; raises FormatError."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise FormatError(f"[compat] listen is {listen[:64]!r}: write ADDRESS:PORT.")
    return host.strip("[]"), int(port)


def read_compat_certificate(options: CompatOptions) -> Certificate | None:
    """Return the certificate of the settings, or None; raises FormatError or OSError."""
    if not options.listen or not options.tls_cert:
        return None
    return load_certificate(Path(options.tls_cert), Path(options.tls_key))


class Dialects:
    """Renders the map of the snapshot that is served, once for all workers.

    `show_lists` serves the map. Lists change with the time of `clock`.
    """

    def __init__(
        self,
        options: CompatOptions,
        clock: Clock,
        show_lists: Callable[[Rendered], Awaitable[None]],
    ) -> None:
        self.rendered = Rendered()
        self._options = options
        self._clock = clock
        self._show_lists = show_lists

    async def show(self, snapshot: Snapshot) -> None:
        """Answer from `snapshot` from now on.

        If it cannot be rendered, nothing is offered, because the former map may offer a build that
        was halted.
        """
        now, previous = int(self._clock().timestamp()), self.rendered
        try:
            rendered = await asyncio.to_thread(render, self._options, snapshot, now, previous)
        except HeningError as error:
            rendered = render(self._options, EMPTY, now)
            log.error("alarm", error=f"the dialects offer nothing: {error}")
        await self._show_lists(rendered)
        self.rendered = rendered

    def read_back(self, alarm: Callable[[str], None]) -> DialectReadBack:
        """Return the check of the public URLs that follows each publication."""
        return DialectReadBack(
            self._options, lambda: self.rendered, lambda: self._clock().timestamp(), alarm
        )
