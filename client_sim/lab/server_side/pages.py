"""Loading a page of metrics."""

import http.client
import urllib.request
from typing import Final

from client_sim.lab.errors import SurroundingsError

_SECONDS: Final = 30.0
_MOST: Final = 64 * 1024 * 1024  # bytes


def load_page(url: str) -> bytes:
    """Return a page by HTTP; raises SurroundingsError where there is none."""
    if not url.startswith(("http://", "https://")):
        raise SurroundingsError(f"{url} is no page of metrics: write http://HOST:PORT/metrics")
    # No proxy: what is asked for is near the server.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_SECONDS) as answer:
            data: bytes = answer.read(_MOST)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise SurroundingsError(
            f"the metrics at {url} cannot be read ({error}): is the server started with them?"
        ) from error
    return data
