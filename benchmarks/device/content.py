"""The content of the peers: hening's answers, headers and bodies, as files for each peer."""

import base64
import json
from pathlib import Path

from benchmarks.device.state import TIMESTAMP, Site
from benchmarks.device.wire import Answer, ask, phone_request, request

# Headers of the connection, and those that every server generates itself.
_NOT_CONTENT = frozenset({"content-length", "date", "connection"})


def write_content(site: Site, port: int, folder: Path) -> None:
    """Request documents from hening and write `nginx/` and `content.json` into `folder`.

    nginx serves the files, each with its gzip form; the Python servers read the JSON.
    """
    root = folder / "nginx"
    (root / "metadata").mkdir(parents=True)
    documents = {}
    for path in (TIMESTAMP, role_path(site)):
        packed, plain = ask(port, phone_request(port, path)), ask(port, request(port, path))
        (root / path[1:]).write_bytes(plain.body)
        (root / f"{path[1:]}.gz").write_bytes(packed.body)
        documents[path] = {"gzip": _tell(packed), "plain": _tell(plain)}
    package = root / site.package_url[1:]
    package.parent.mkdir(parents=True)
    package.symlink_to(site.package_file)
    told = {
        "documents": documents,
        "package": str(site.package_file),
        "length": site.package_length,
    }
    (folder / "content.json").write_text(json.dumps(told))


def role_path(site: Site) -> str:
    """Return the path of an immutable role of typical size."""
    return f"/metadata/1.{site.state.codenames[1]}.json"


def _tell(answer: Answer) -> dict[str, object]:
    fields = {name: value for name, value in answer.fields.items() if name not in _NOT_CONTENT}
    return {"fields": fields, "body": base64.b64encode(answer.body).decode()}
