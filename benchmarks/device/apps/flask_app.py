"""A minimal update server in Flask: prepared bytes by path.

`PEER_CONTENT` is the path of the JSON file from `content.py`; runs in the peers' environment.
"""

import base64
import json
import os
from pathlib import Path

from flask import Flask, Response, abort, request, send_file

_TOLD = json.loads(Path(os.environ["PEER_CONTENT"]).read_text())
_PLAIN = {
    path: (both["plain"]["fields"], base64.b64decode(both["plain"]["body"]))
    for path, both in _TOLD["documents"].items()
}
_PACKED = {
    path: (both["gzip"]["fields"], base64.b64decode(both["gzip"]["body"]))
    for path, both in _TOLD["documents"].items()
}
app = Flask(__name__)


@app.get("/metadata/<name>")
def document(name: str) -> Response:
    """Answer with a prepared document."""
    table = _PACKED if "gzip" in request.headers.get("Accept-Encoding", "") else _PLAIN
    found = table.get(f"/metadata/{name}")
    if found is None:
        abort(404)
    fields, body = found
    response = Response(body, headers=fields)
    response.set_etag(fields["etag"].strip('"'))
    return response.make_conditional(request)


@app.get("/targets/<path:_name>")
def package(_name: str) -> Response:
    """Send the package, or the requested range of it."""
    return send_file(_TOLD["package"], mimetype="application/octet-stream", etag=False)
