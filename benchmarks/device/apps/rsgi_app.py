"""A minimal app for granian's own interface, RSGI: prepared bytes by path.

`PEER_CONTENT` is the path of the JSON file from `content.py`; runs in the peers' environment.
"""

import base64
import json
import os
from pathlib import Path
from typing import Any

_TOLD = json.loads(Path(os.environ["PEER_CONTENT"]).read_text())


def _table(coding: str) -> dict[str, tuple[list[tuple[str, str]], bytes]]:
    return {
        path: (
            list(both[coding]["fields"].items()),
            base64.b64decode(both[coding]["body"]),
        )
        for path, both in _TOLD["documents"].items()
    }


_PLAIN, _PACKED = _table("plain"), _table("gzip")
_PACKAGE = [("content-type", "application/octet-stream")]


async def app(scope: Any, protocol: Any) -> None:  # noqa: ANN401, RUF029 - granian's own
    """Answer one request, for a document or for the package."""
    headers = scope.headers
    table = _PACKED if "gzip" in (headers.get("accept-encoding") or "") else _PLAIN
    found = table.get(scope.path)
    if found is not None:
        fields, body = found
        if headers.get("if-none-match") == dict(fields)["etag"]:
            protocol.response_empty(304, fields)
        else:
            protocol.response_bytes(200, fields, body)
        return
    if scope.path.startswith("/targets/"):
        asked = headers.get("range")
        if asked is None:
            whole = [("content-length", str(_TOLD["length"]))]
            protocol.response_file(200, _PACKAGE + whole, _TOLD["package"])
            return
        first, _, last = asked.removeprefix("bytes=").partition("-")
        length = [("content-length", str(int(last) - int(first) + 1))]
        protocol.response_file_range(
            206, _PACKAGE + length, _TOLD["package"], int(first), int(last) + 1
        )
        return
    protocol.response_empty(404, [])
