"""An open loop over kept connections: what is late because the server is slow counts as late.

Run as `python -m benchmarks.device.load.paced SPEC`. A latency begins when the question was due,
not when there was a free connection for it. `h2load --rps` does the same, and is slower.
"""

import array
import select
import time
from bisect import bisect
from collections import deque
from pathlib import Path

from benchmarks.device.load.kept import BUFFER, connect
from benchmarks.device.load.spec import PacedSpec, main
from benchmarks.device.measured import Measured, Window, percentiles
from benchmarks.device.wire import body_length, head_length

BURST = 16  # questions in a row before answers are looked for
GRACE_SECONDS = 5.0  # how long the last answers may take


def run(spec: PacedSpec) -> Measured:
    """Ask for `spec.seconds`; latencies also by the stretches between the marks."""
    content = spec.request.encode()
    opened = [connect(spec.port, content) for _ in range(spec.connections)]
    streams = {stream.fileno(): stream for stream, _, _ in opened}
    poll = select.epoll()
    for number in streams:
        poll.register(number, select.EPOLLIN)
    free, size, start = deque(streams), opened[0][1], opened[0][2]
    asked = dict.fromkeys(streams, 0.0)
    partial: dict[int, bytes] = {}
    buffer = bytearray(BUFFER)
    when, taken = array.array("d"), array.array("d")
    failed, clock = 0, time.perf_counter
    window = Window(spec.watch, spec.known)
    begin = due = clock()
    end, pause = begin + spec.seconds, 1 / spec.rate
    while due < end or (len(free) < len(streams) and clock() < end + GRACE_SECONDS):
        now = clock()
        burst = BURST
        while due <= now and due < end and free and burst:
            number = free.popleft()
            streams[number].send(content)
            asked[number] = due
            due += pause
            burst -= 1
        for number, _ in poll.poll(_rest(spec, due, end)):
            count = streams[number].recv_into(buffer)
            if count != size or number in partial:
                data = partial.pop(number, b"") + buffer[:count]
                if not count:
                    raise ConnectionError("the server closed a kept connection")
                if not _is_whole(data):
                    partial[number] = data
                    continue
                failed += not data.startswith(start)
                size = len(data)
            else:
                failed += not buffer.startswith(start)
            when.append(asked[number])
            taken.append(clock() - asked[number])
            free.append(number)
    failed += len(streams) - len(free)
    latencies = percentiles(list(taken))
    latencies |= _by_marks(spec.marks, when, taken)
    return window.close(len(taken), failed, latencies=latencies)


def _rest(spec: PacedSpec, due: float, end: float) -> float:
    """Return how long to wait for answers: an urgent load sleeps, for others share its core."""
    if not spec.urgent:
        return 0.0
    return max(0.0, due - time.perf_counter()) if due < end else 0.001


def _is_whole(data: bytes) -> bool:
    head = head_length(data)
    return bool(head) and len(data) >= head + body_length(data[:head])


def _by_marks(
    marks: str, when: "array.array[float]", taken: "array.array[float]"
) -> dict[str, float]:
    """Return the p99 of each stretch that the file of marks divides the run into."""
    if not marks:
        return {}
    limits = [float(line) for line in Path(marks).read_text().splitlines()]
    stretches: list[list[float]] = [[] for _ in range(len(limits) + 1)]
    for moment, latency in zip(when, taken, strict=True):
        stretches[bisect(limits, moment)].append(latency)
    found: dict[str, float] = {}
    for number, stretch in enumerate(stretches):
        found |= {f"{name}-{number}": value for name, value in percentiles(stretch).items()}
    return found


if __name__ == "__main__":
    main(PacedSpec, run)
