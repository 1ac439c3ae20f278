"""Renders the page "What your phone sends" for owners, from the currently published files.

It shows the requests of docs/PRIVACY.md byte by byte, with this server's host, versions, models and
packs. The page is one HTML file that loads nothing from other hosts. Pure.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from server.compat.options import SENTENCE
from server.core.content.index import decode_index
from server.core.content.kinds import CONTENT_ROLES, part_paths
from server.core.errors import FormatError
from server.core.names import hashed_target_path, is_codename, is_part
from server.core.quantities import spell_size
from server.publisher.published import Published

SHOWN_MODELS = 60  # names at most; the page also has the number of all models


@dataclass(frozen=True, slots=True)
class PollRequest:
    """One request: its path, and what the server learns from it."""

    path: str
    learned: str


def render_owner_page(
    published: Published, url: str, now: datetime, *, has_dialects: bool = False
) -> str:
    """Return the HTML file. `url` is where phones reach the server, `https://HOST`.

    Raises FormatError for any other form of URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path not in {"", "/"}:
        raise FormatError(f"{url[:80]!r} is not the address of a server: give https://HOST.")
    packs = dict(_packs(published))
    models = sorted(name for name in published.roles if is_codename(name))
    channels = {path.split("/")[1]: path.split("/", 2)[2] for path in published.pointers()}
    values = {
        "host": parts.netloc,
        "day": now.date().isoformat(),
        "snapshot": published.snapshot.version,
        "each": list(_each_poll(published)),
        "news": [*_news(published), *packs],
        "packs": len(packs),
        "length": spell_size(sum(packs.values())),
        "models": models[:SHOWN_MODELS],
        "model_count": len(models),
        "example": min(channels.items(), default=("MODEL", "REGION/CHANNEL")),
        "is_split": any(map(is_part, published.roles)),
        "dialects": SENTENCE if has_dialects else "",
    }
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("owner_page.html").render(values)


def _each_poll(published: Published) -> Iterator[PollRequest]:
    """Yield the requests of each poll, whether or not anything is new."""
    root = published.root.version + 1
    yield PollRequest(f"/metadata/{root}.root.json", "Are there new master keys? The answer is no.")
    yield PollRequest("/metadata/timestamp.json", "Is anything new?")


def _news(published: Published) -> Iterator[PollRequest]:
    """Yield the requests that follow when something is new, in the phone's order."""
    yield PollRequest(
        f"/metadata/{published.snapshot.version}.snapshot.json",
        "What is new? The list of all versions.",
    )
    versions = published.versions()
    yield PollRequest(f"/metadata/{versions['targets']}.targets.json", "Who signs for which model.")
    latest = "latest" if "latest" in versions else next(filter(is_part, sorted(versions)), "")
    for name, learned in (
        (latest, "Which builds are offered, for all models and channels alike."),
        ("tables", "The list of packs with carriers, time zones and certificates."),
        ("content", "The list of packs with notices, pictures and themes."),
    ):
        if name in versions:
            yield PollRequest(f"/metadata/{versions[name]}.{name}.json", learned)
            yield PollRequest(
                f"/log/proof/{name}.{versions[name]}", "Proof that all phones see the same."
            )


def _packs(published: Published) -> Iterator[tuple[PollRequest, int]]:
    """Yield the request for each part of a pack, and its length in bytes."""
    for role in CONTENT_ROLES:
        if role not in published.roles:
            continue
        targets = published.roles[role]
        for kind, pack in sorted(decode_index(role, targets).packs.items()):
            for path in () if pack.is_withdrawn else part_paths(kind):
                target = targets.targets[path]
                hashed = hashed_target_path(path, target.hashes["sha256"])
                request = PollRequest(f"/targets/{hashed}", f"A part of the pack {kind}.")
                yield request, target.length
