"""Metrics, health and readiness for monitoring, on a separate loopback listener.

/metrics   Prometheus metrics
/healthz   200 while the process answers
/readyz    200 if phones are served and publishing works; else 503 and the reasons, one a line
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from socketserver import ThreadingMixIn
from threading import Thread
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CollectorRegistry, make_wsgi_app

TEXT = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _SilentHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named so there
        """Log nothing, because no request may be recorded."""


@contextlib.contextmanager
def serving_health(
    port: int, registry: CollectorRegistry, reasons: Callable[[], Sequence[str]]
) -> Iterator[int]:
    """Listen on 127.0.0.1 until the block ends; yields the port.

    `reasons` returns why this server is not ready, and is called from another thread.
    """
    metrics = make_wsgi_app(registry)

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        match environ.get("PATH_INFO"):
            case "/metrics":
                answered: Iterable[bytes] = metrics(environ, start_response)
                return answered
            case "/healthz":
                status, lines = "200 OK", ["ok"]
            case "/readyz":
                lines = list(reasons())
                status = "503 Service Unavailable" if lines else "200 OK"
                lines = lines or ["ready"]
            case _:
                status, lines = "404 Not Found", ["/metrics, /healthz and /readyz are here."]
        start_response(status, [*TEXT])  # a copy: the server adds headers to the list
        return [f"{line}\n".encode() for line in lines]

    with make_server("127.0.0.1", port, answer, _Server, _SilentHandler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
