"""What peers serve: our own answers, body and headers, written where each of them finds it."""

import base64
import json
from pathlib import Path

from benchmarks.device.state import TIMESTAMP, Site
from benchmarks.device.wire import Answer, ask, phone_request, request

# Connection-level fields, and those that every server makes itself.
_NOT_CONTENT = frozenset({"content-length", "date", "connection"})


def write_content(site: Site, port: int, folder: Path) -> None:
    """Ask our server for its documents and write `nginx/` and `content.json` into `folder`.

    nginx finds files, each beside its gzip form; the servers in Python read the JSON.
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
    """Return the path of an immutable role of ordinary size."""
    return f"/metadata/1.{site.state.codenames[1]}.json"


def _tell(answer: Answer) -> dict[str, object]:
    fields = {name: value for name, value in answer.fields.items() if name not in _NOT_CONTENT}
    return {"fields": fields, "body": base64.b64encode(answer.body).decode()}
