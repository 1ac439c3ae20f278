"""A relay that passes answers on in other pieces than they came in."""

import socket
import threading
from contextlib import contextmanager


@contextmanager
def relay(port, change):
    """Stand before a server; `change` gives the pieces in which answers are passed on."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads = []

    def pump(source, sink, pieces):
        while data := source.recv(65_536):
            for piece in pieces(data):
                sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)

    def carry(wire):
        with wire, socket.create_connection(("127.0.0.1", port)) as far:
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            up = threading.Thread(target=pump, args=(wire, far, lambda data: [data]))
            up.start()
            try:
                pump(far, wire, change)
            except OSError:
                far.close()
            up.join()

    def accept():
        while True:
            try:
                wire, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=carry, args=(wire,)))
            threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()
        for thread in threads:
            thread.join()
