"""Leaks of downloads by offsets, names and sizes (L51 to L53)."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from client_sim.lab.clients.following import BLOCK, LENGTH, DownloadingToy
from client_sim.lab.mutants.mutant import mutant_of
from client_sim.lab.mutants.spy import Spy, digit
from client_sim.world import Stream


class _Resuming(DownloadingToy):
    """Resumes at the byte where the download was truncated.

    Like careless clients, it also keeps the body of an error as the beginning of the block.
    """

    body_length = 0

    def receive(self, stream: Stream) -> tuple[str, bytes]:
        head, body = super().receive(stream)
        self.body_length = len(body)
        return head, body

    def ask_block(self, stream: Stream, first: int, last: int) -> None:
        super().ask_block(stream, first, last)
        if self.received < last + 1 - first:
            self.world.state["partial"] = b"%d" % (self.partial + self.body_length)

    @property
    def partial(self) -> int:
        return int(self.world.state.get("partial", b"0"))

    def plan(self) -> Sequence[tuple[int, int]]:
        (first, last), *rest = super().plan()
        return ((min(first + self.partial, last), last), *rest)


class _ResumingIfSame(DownloadingToy):
    """Resumes a block only if the server is still the same, by a digest that it sends."""

    def receive(self, stream: Stream) -> tuple[str, bytes]:
        head, body = super().receive(stream)
        self.world.state.setdefault("tag", sha256(head.encode("latin-1")).hexdigest()[:16].encode())
        return head, body

    def block_lines(self, first: int, last: int) -> Sequence[str]:
        tag = self.world.state["tag"].decode()
        return (*super().block_lines(first, last), f'If-Range: "{tag}"')


class _Incremental(DownloadingToy):
    """Includes the running build in the name of a package that was not offered."""

    def name(self) -> str:
        public = self.world.public
        return f"{public.codename}-incremental-{self.source()}-2.zip"

    def source(self) -> str:
        return self.world.public.build.incremental


class _IncrementalOfSerial(_Incremental):
    """Requests a package with six digits of the serial number's digest in its name."""

    def source(self) -> str:
        return sha256(Spy(self.world).owner.serial.encode()).hexdigest()[:6]


class _OwnDigest(DownloadingToy):
    """Requests its package by a path of its own with 256 bits that were drawn once."""

    def package_path(self) -> str:
        identifier = self.world.state.setdefault("own", self.world.entropy(32))
        folder, _, name = super().package_path().rpartition("/")
        return f"{folder}/{identifier.hex()}.{name.partition('.')[2]}"


class _SmallBlocks(DownloadingToy):
    """Requests blocks of a size that depends on the IMEI."""

    def plan(self) -> Sequence[tuple[int, int]]:
        size = BLOCK >> digit(Spy(self.world).owner.imei, 8) % 4
        firsts = range(self.stored * BLOCK, LENGTH, size)
        return tuple((first, min(first + size, LENGTH) - 1) for first in firsts)


class _WhileCharged(DownloadingToy):
    """Fetches nothing while the battery is low."""

    def fetch(self) -> str:
        if Spy(self.world).owner.battery_percent < 50:
            return "not charged enough"
        return super().fetch()


MUTANTS: Final = (
    mutant_of(_Resuming, "resume-exact", "L51"),
    mutant_of(_ResumingIfSame, "resume-if-range", "L51"),
    mutant_of(_Incremental, "incremental-build", "L52"),
    mutant_of(_IncrementalOfSerial, "incremental-serial", "L52"),
    mutant_of(_OwnDigest, "package-own-address", "L52"),
    mutant_of(_SmallBlocks, "size-blocks", "L53"),
    mutant_of(_WhileCharged, "size-charged", "L53"),
)
