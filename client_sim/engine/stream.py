"""Applies the operations of a package while it is streamed, block after block.

The main thread fetches blocks and divides them into operations. Other threads hash, decompress,
write and sync, so that disk and network do not wait for each other. After each block the journal is
updated, as soon as everything that it describes is durable: it lags by at most one block.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import BinaryIO, Final

from client_sim.engine.apply import Progress
from client_sim.engine.errors import EngineError
from client_sim.engine.journal import Journal
from client_sim.engine.operations import Step, Workers, apply_step
from client_sim.engine.prefix import Blocks, Prefix, StreamState
from client_sim.engine.slots import Slots, opened_steps

# Above this number of started operations, finished ones are dropped. A block can contain the data
# of 100,000 operations.
_MAX_FUTURES: Final = 8192


class StreamInstaller:
    """Applies the operations of one package while it is streamed."""

    def __init__(
        self, blocks: Blocks, slots: Slots, prefix: Prefix, sha256: str, state: StreamState
    ) -> None:
        self._blocks = blocks
        self._slots = slots
        self._prefix = prefix
        self._sha256 = sha256
        self._state = state
        self._rest_offset = prefix.rest_offset
        self._steps: list[Step] = []
        self._futures: list[Future[None]] = []
        self._touched: dict[str, BinaryIO] = {}
        self._saving: Future[None] | None = None

    def run(self, progress: Progress | None) -> bytes:
        """Process the package; return its rest, the bytes after the data of its operations.

        Raises EngineError, and the errors of the blocks; then the journal has the position from
        which to continue.
        """
        with ExitStack() as stack:
            self._steps = stack.enter_context(
                opened_steps(self._prefix.payload.manifest, self._slots)
            )
            saver = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="journal"))
            workers = stack.enter_context(Workers())
            self._begin_without_data(workers)
            for block in self._iter_blocks():
                start = self._state.position
                self._process(block, workers)
                self._save(saver, block, max(0, min(len(block), self._rest_offset - start)))
                if progress is not None:
                    progress(self._state.position, self._blocks.length)
                # So that this block is freed while the next is fetched, unless it is still hashed.
                del block
            self._wait()
        return bytes(self._state.pending)

    def _iter_blocks(self) -> Iterator[bytes]:
        if self._state.fetched:
            yield self._state.take_fetched()
        while self._state.position < self._blocks.length:
            yield self._blocks.read(self._state.position // self._blocks.size)

    def _process(self, block: bytes, workers: Workers) -> None:
        """Begin each operation whose data is complete after this block."""
        state = self._state
        offset = 0
        while offset < len(block):
            end = self._end_of_pending()
            count = min(end - state.position, len(block) - offset)
            piece = block[offset : offset + count]
            offset += count
            state.position += count
            if state.position < end or state.operation == len(self._steps):
                state.pending += piece
            elif state.pending:
                state.pending += piece
                self._begin(workers, state.pending, is_split=True)
                state.pending = bytearray()
            else:
                self._begin(workers, piece)
            self._begin_without_data(workers)

    def _end_of_pending(self) -> int:
        """Return the end of the next operation's data, or of the package after the last one."""
        state = self._state
        if state.operation == len(self._steps):
            return self._blocks.length
        operation = self._steps[state.operation].operation
        return state.position - len(state.pending) + operation.data_length

    def _begin(self, workers: Workers, data: bytes | bytearray, *, is_split: bool = False) -> None:
        """Begin the next operation."""
        step = self._steps[self._state.operation]
        self._state.operation += 1
        self._touched[step.image.partition.name] = step.image.new

        def job() -> None:
            try:
                apply_step(step, data, self._slots.disk)
            except EngineError:
                self._state.is_doubtful |= is_split
                raise

        self._futures.append(workers.start(job, step.memory))
        if len(self._futures) >= _MAX_FUTURES:
            # Failed operations stay in the list, so that their errors are raised later.
            self._futures = [each for each in self._futures if not each.done() or each.exception()]

    def _begin_without_data(self, workers: Workers) -> None:
        while self._state.operation < len(self._steps):
            if self._steps[self._state.operation].operation.data_length:
                return
            self._begin(workers, b"")

    def _save(self, saver: ThreadPoolExecutor, block: bytes, data_stop: int) -> None:
        """Start to update digests and journal, after the previous update has ended.

        The update waits until all started operations are durable. The first `data_stop` bytes of
        the block are data of operations.
        """
        self._wait()
        state = self._state
        start = state.position - len(state.pending)
        carry_start = max(start, state.position - len(block))
        carry = b""
        state.carry = [offset for offset in state.carry if offset >= start]
        if carry_start < state.position:
            state.carry.append(carry_start)
            carry = bytes(state.pending[carry_start - start :])
        # The position is copied, because the state advances meanwhile.
        make_journal = partial(
            Journal,
            sha256=self._sha256,
            length=self._blocks.length,
            position=state.position,
            operation=state.operation,
            carry=tuple(state.carry),
        )
        futures, self._futures = self._futures, []
        files, self._touched = list(self._touched.values()), {}

        def save() -> None:
            state.digests.update(block, 0, data_stop)
            for future in futures:
                future.result()
            for file in files:
                self._slots.disk.sync(file)
            states = state.digests.save()
            if states is None:  # then there is no journal
                return
            if carry:
                self._slots.journal.store_carry(carry_start, carry)
            package, payload, signed = (each.hex() for each in states)
            self._slots.journal.store(make_journal(digests=(package, payload, signed)))

        self._saving = saver.submit(save)

    def _wait(self) -> None:
        if self._saving is not None:
            self._saving.result()
