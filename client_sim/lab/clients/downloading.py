"""A clean client that fetches a package after its polls, in the blocks of FORMATS section 9."""

from collections.abc import Sequence
from typing import Final

from client_sim.lab.clients.toy import ToyClient
from client_sim.world import Stream, World

BLOCK: Final = 8 * 1024 * 1024
"""Bytes of a block."""

DIGEST: Final = "6a2c5f0d" * 8
LENGTH: Final = 20_000_000
"""The package that there is in this toy's world: three blocks, the last one short."""


class DownloadingToy(ToyClient):
    """Asks, after each poll, for the blocks that it does not hold yet, until one does not come.

    `state["block"]` is the number of whole blocks that it holds.
    """

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.status = ""
        self.received = 0

    def poll(self) -> str:
        """Poll; then fetch what is missing, over another connection."""
        outcome = super().poll()
        return outcome if self.is_complete else self.fetch()

    @property
    def held(self) -> int:
        """The number of blocks that were received whole."""
        return int(self.world.state.get("block", b"0"))

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing."""
        return self.held * BLOCK >= LENGTH

    def fetch(self) -> str:
        """Ask for block after block; one that is cut short is asked for again another time."""
        try:
            stream = self.open()
            try:
                for first, last in self.plan():
                    self.ask_block(stream, first, last)
                    if self.received != last + 1 - first:
                        return "a block did not come"
                    self.world.state["block"] = b"%d" % (self.held + 1)
            finally:
                self.hang_up(stream)
        except OSError as error:
            self.failed(error)
            return f"the server was not reached: {error}"
        return "fetched"

    def plan(self) -> Sequence[tuple[int, int]]:
        """List the blocks to ask for as first and last byte, both inclusive."""
        firsts = range(self.held * BLOCK, LENGTH, BLOCK)
        return tuple((first, min(first + BLOCK, LENGTH) - 1) for first in firsts)

    def ask_block(self, stream: Stream, first: int, last: int) -> None:
        """Ask for one block and count what comes."""
        self.transmit(stream, self.block_request(first, last))
        self.received = 0
        self.status, body = self.receive(stream)
        self.received = len(body) if self.status.startswith("HTTP/1.1 206") else 0

    def block_request(self, first: int, last: int) -> bytes:
        """Write the request for a block."""
        lines = (f"GET {self.package_path()} HTTP/1.1", *self.block_lines(first, last), "", "")
        return "\r\n".join(lines).encode()

    def block_lines(self, first: int, last: int) -> Sequence[str]:
        """Write the header lines of the request for a block."""
        return (self.headers()[0], f"Range: bytes={first}-{last}")

    def package_path(self) -> str:
        """Name the package."""
        public = self.world.public
        return f"/targets/{public.codename}/{public.region}/{public.channel}/{DIGEST}.{self.name()}"

    def name(self) -> str:
        """Return the file's name: of a full image, which fits every build."""
        return f"{self.world.public.codename}-2-full.zip"
