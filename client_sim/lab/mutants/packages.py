"""What a download shows beyond the block that is next: offsets, names, sizes (L51 to L53)."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from client_sim.lab.clients.following import BLOCK, LENGTH, DownloadingToy
from client_sim.lab.mutants.mutant import mutant_of
from client_sim.lab.mutants.spy import Spy, digit
from client_sim.world import Stream, World


class _Downloader(DownloadingToy):
    """The downloading toy with access to its owner's data."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.spy = Spy(world)


class _Resuming(_Downloader):
    """Resumes at the byte where it was cut off.

    As careless clients do, it also keeps the body of an error for the beginning of the block.
    """

    came = 0

    def receive(self, stream: Stream) -> tuple[str, bytes]:
        head, body = super().receive(stream)
        self.came = len(body)
        return head, body

    def ask_block(self, stream: Stream, first: int, last: int) -> None:
        super().ask_block(stream, first, last)
        if self.received < last + 1 - first:
            partial = int(self.world.state.get("partial", b"0"))
            self.world.state["partial"] = b"%d" % (partial + self.came)

    @property
    def partial(self) -> int:
        return int(self.world.state.get("partial", b"0"))

    def plan(self) -> Sequence[tuple[int, int]]:
        (first, last), *rest = super().plan()
        return ((min(first + self.partial, last), last), *rest)


class _ResumingFromTail(_Resuming):
    """Asks for the missing bytes from the end."""

    def block_lines(self, first: int, last: int) -> Sequence[str]:
        host, _ = super().block_lines(first, last)
        return (host, f"Range: bytes=-{LENGTH - first}")


class _ResumingIfSame(_Downloader):
    """Resumes a block if the server still is the one that it remembers, by a digest."""

    def receive(self, stream: Stream) -> tuple[str, bytes]:
        head, body = super().receive(stream)
        self.world.state.setdefault("tag", sha256(head.encode("latin-1")).hexdigest()[:16].encode())
        return head, body

    def block_lines(self, first: int, last: int) -> Sequence[str]:
        tag = self.world.state["tag"].decode()
        return (*super().block_lines(first, last), f'If-Range: "{tag}"')


class _Incremental(_Downloader):
    """Names the build that it runs in the name of a package that nobody offered."""

    def name(self) -> str:
        public = self.world.public
        return f"{public.codename}-incremental-{self.source()}-2.zip"

    def source(self) -> str:
        return self.world.public.build.incremental


class _IncrementalOfSerial(_Incremental):
    """Names a build of its own: six digits of the serial number's digest."""

    def source(self) -> str:
        return sha256(self.spy.owner.serial.encode()).hexdigest()[:6]


class _OwnDigest(_Downloader):
    """Asks for its package at an address of its own: 256 bits that were drawn once."""

    def package_path(self) -> str:
        own = self.world.state.setdefault("own", self.world.entropy(32))
        folder, _, name = super().package_path().rpartition("/")
        return f"{folder}/{own.hex()}.{name.partition('.')[2]}"


class _SmallBlocks(_Downloader):
    """Takes blocks of a size that the IMEI says."""

    def plan(self) -> Sequence[tuple[int, int]]:
        size = BLOCK >> digit(self.spy.owner.imei, 8) % 4
        firsts = range(self.held * BLOCK, LENGTH, size)
        return tuple((first, min(first + size, LENGTH) - 1) for first in firsts)


class _Shuffled(_Downloader):
    """Takes the blocks from where the Android id says."""

    def plan(self) -> Sequence[tuple[int, int]]:
        blocks = list(super().plan())
        turn = digit(self.spy.owner.android_id, 0) % len(blocks)
        return (*blocks[turn:], *blocks[:turn])


class _WhileCharged(_Downloader):
    """Fetches nothing while the battery is low."""

    def fetch(self) -> str:
        if self.spy.owner.battery_percent < 50:
            return "not charged enough"
        return super().fetch()


MUTANTS: Final = (
    mutant_of(_Resuming, "resume-exact", "L51"),
    mutant_of(_ResumingFromTail, "resume-tail", "L51"),
    mutant_of(_ResumingIfSame, "resume-if-range", "L51"),
    mutant_of(_Incremental, "incremental-build", "L52"),
    mutant_of(_IncrementalOfSerial, "incremental-serial", "L52"),
    mutant_of(_OwnDigest, "package-own-address", "L52"),
    mutant_of(_SmallBlocks, "size-blocks", "L53"),
    mutant_of(_Shuffled, "size-order", "L53"),
    mutant_of(_WhileCharged, "size-charged", "L53"),
)
