"""How much of a package has passed, and how it goes on after an interruption."""

from dataclasses import dataclass, field
from typing import Self

from client_sim.engine.errors import SlotError
from client_sim.engine.front import Front
from client_sim.engine.journal import Journal
from client_sim.engine.package import Layout
from client_sim.engine.package_digests import PackageDigests
from client_sim.engine.slots import Slots
from client_sim.engine.target import are_created


@dataclass(slots=True)
class Passage:
    """Where the stream stands, and what of it waits for the rest of its operation.

    `position` counts bytes of the package, `operation` is the next operation to begin, `pending`
    the bytes from the start of its data to `position`; `carry` is where the pieces of them start
    that are kept beside the journal. `fetched` are bytes behind `position` that came with the
    package's head. `is_doubtful` says that a refusal came from bytes of several
    blocks.
    """

    position: int
    operation: int
    pending: bytearray
    digests: PackageDigests
    carry: list[int] = field(default_factory=list)
    fetched: bytes = b""
    is_doubtful: bool = False

    @classmethod
    def begin(cls, front: Front, layout: Layout, fetched: bytes) -> Self:
        """Return where a package stands of which nothing but its front has passed."""
        digests = PackageDigests.begin(front.head, layout, front.payload)
        return cls(len(front.head), 0, bytearray(), digests, fetched=fetched)

    def take_fetched(self) -> bytes:
        """Return `fetched` and hold it no longer."""
        fetched, self.fetched = self.fetched, b""
        return fetched


def resume_passage(journal: Journal, front: Front, slots: Slots, block_size: int) -> Passage:
    """Return where the journal's update stands; raises SlotError if the slot contradicts it."""
    manifest = front.payload.manifest
    carry = slots.journal.load_carry(journal)
    if carry is None or not are_created(manifest, slots):
        raise SlotError("What an update had kept on this phone is gone; start it again.")
    operations = [each for partition in manifest.partitions for each in partition.operations]
    starts = [each.data_offset for each in operations[journal.operation :] if each.data_length]
    start = len(front.head) + starts[0] if starts else front.rest_offset
    is_at_block = journal.position % block_size == 0 or journal.position == journal.length
    if not is_at_block or journal.position - len(carry) != start:
        raise SlotError("The state of the update on this phone contradicts itself; start it again.")
    return Passage(
        position=journal.position,
        operation=journal.operation,
        pending=bytearray(carry),
        digests=PackageDigests.restore(journal.states),
        carry=list(journal.carry),
    )
