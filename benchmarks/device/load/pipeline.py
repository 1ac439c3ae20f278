"""Clients that pipeline: each sends as many requests as the server reads, and takes every answer.

Run as `python -m benchmarks.device.load.pipeline SPEC`. It says `ready` once all are connected, and
what they were answered when its input is closed.
"""

import select
import socket
import sys

from benchmarks.device.load.kept import BUFFER, connect
from benchmarks.device.load.spec import PipelineSpec, main
from benchmarks.device.measured import Measured, Window

SENT = 65_536  # bytes that a client hands to its kernel at a time


def run(spec: PipelineSpec) -> Measured:
    """Attack until the input is closed."""
    data = spec.request.encode()
    opened = [connect(spec.port, data) for _ in range(spec.connections)]
    size = opened[0][1]
    streams = {stream.fileno(): stream for stream, _, _ in opened}
    batch = data * (SENT // len(data))
    begins = dict.fromkeys(streams, 0)  # where in `batch` the next send begins
    poll = select.epoll()
    for number in streams:
        poll.register(number, select.EPOLLIN | select.EPOLLOUT)
    poll.register(sys.stdin, select.EPOLLIN)
    buffer, taken = bytearray(BUFFER), 0
    window = Window(spec.watch, spec.known)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        for number, event in poll.poll():
            if number not in streams:
                return window.close(taken // size)
            stream = streams[number]
            if event & select.EPOLLIN:
                taken += _take(stream, buffer)
            if event & select.EPOLLOUT:
                sent = stream.send(memoryview(batch)[begins[number] :])
                begins[number] = (begins[number] + sent) % len(batch)


def _take(stream: socket.socket, buffer: bytearray) -> int:
    count = stream.recv_into(buffer)
    if not count:
        raise ConnectionError("the server closed a connection")
    return count


if __name__ == "__main__":
    main(PipelineSpec, run)
