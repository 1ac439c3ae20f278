"""A real `hening-server run`: its address, processes, memory, descriptors and log."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PROGRAM = (sys.executable, "-c", "from server.cli import main; main()")
REPOSITORY = Path(__file__).parents[1]
PAGE = os.sysconf("SC_PAGE_SIZE")
QUIET_LEVELS = ("info", "debug")
READY_SECONDS = 600.0  # limit for a hanging server, long enough for a busy machine
STOP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Complaint:
    """A log line above the level info, or not in JSON; `at` is in seconds of the run."""

    at: float
    line: str


@dataclass
class ServerProcess:
    """A server; times are in seconds since `begun`, which is by the loop's clock.

    `status` is the exit status, None while it runs.
    """

    process: asyncio.subprocess.Process
    begun: float
    port: int = 0
    complaints: list[Complaint] = field(default_factory=list)
    status: int | None = None

    @property
    def pids(self) -> list[int]:
        """The ids of the main process and of its descendants."""
        found = [self.process.pid]
        for pid in found:
            with contextlib.suppress(OSError):
                for thread in Path(f"/proc/{pid}/task").iterdir():
                    found += map(int, (thread / "children").read_text().split())
        return found

    @property
    def workers(self) -> list[int]:
        """The ids of the main process's descendants."""
        return self.pids[1:]

    def memory(self) -> dict[int, int]:
        """Return the resident bytes of each process that are not shared."""
        sizes = {}
        for pid in self.pids:
            with contextlib.suppress(OSError):
                _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
                sizes[pid] = (int(resident) - int(shared)) * PAGE
        return sizes

    def descriptors(self) -> int:
        """Return the number of open descriptors of all processes."""
        count = 0
        for pid in self.pids:
            with contextlib.suppress(OSError):
                count += len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return count

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the main process."""
        self.process.send_signal(number)

    async def listen(self) -> None:
        """Collect the complaints in the log until it ends."""
        if self.process.stderr is None:
            return
        while line := await self.process.stderr.readline():
            text = line.decode("utf-8", "replace").rstrip()
            if not _is_information(text):
                at = asyncio.get_running_loop().time() - self.begun
                self.complaints.append(Complaint(at, text))


@contextlib.asynccontextmanager
async def run_server(
    state: Path, metrics_port: int, workers: int | None, options: Sequence[str] = ()
) -> AsyncIterator[ServerProcess]:
    """Run a server, with further `options`, until the block ends, and then set its `status`."""
    command = [*PROGRAM, "run", "--state", str(state), "--port", "0"]
    command += ["--metrics-port", str(metrics_port), *options]
    if workers is not None:
        command += ["--workers", str(workers)]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=REPOSITORY,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    server = ServerProcess(process, asyncio.get_running_loop().time())
    listening = asyncio.create_task(server.listen())
    try:
        if process.stdout is None:
            raise RuntimeError("the server has no output")
        async with asyncio.timeout(READY_SECONDS):
            address = (await process.stdout.readline()).decode().strip()
        if not address:
            await process.wait()
            await listening
            raise RuntimeError(f"the server ended: {[each.line for each in server.complaints]}")
        server.port = int(address.rpartition(":")[2])
        yield server
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
        server.status = await process.wait()
        await listening


def _is_information(line: str) -> bool:
    try:
        return json.loads(line)["level"] in QUIET_LEVELS
    except (ValueError, KeyError, TypeError):
        return False
