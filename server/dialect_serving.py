"""Renders the dialects of existing Updater apps, and gives them to what serves them."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from server.compat.options import CompatOptions
from server.compat.rendering import Rendered, render
from server.core.errors import FormatError, HeningError
from server.device.snapshot import EMPTY, Snapshot
from server.dialect_read_back import DialectReadBack
from server.processes.messages import Certificate
from server.processes.serving import load_certificate
from server.stores import Clock


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


log = structlog.get_logger()


class Dialects:
    """The map of the snapshot that is served, rendered once for all workers.

    `show_lists` serves it; `clock` is the one that lists follow.
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

        Where it cannot be rendered nothing is offered: the former map may offer what was halted.
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
        """Return what asks the public URLs after each publication."""
        return DialectReadBack(
            self._options, lambda: self.rendered, lambda: self._clock().timestamp(), alarm
        )
