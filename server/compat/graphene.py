"""GrapheneOS's and CalyxOS's Updater: a line of text, and packages whose names the app constructs.

Source: docs/FORMATS.md section 18. Every configured device and channel always has a line, because
an empty body ends the app's service, and after a 404 it asks again every four minutes.
"""

import re
from collections.abc import Callable, Iterator
from html import escape

from server.compat.offers import Build, ChannelOffers, Item, Model, offer_at
from server.compat.options import SEGMENT
from server.compat.pages import HTML, TEXT, Content, Gone, Page, file_of, make_page

# A joined name of device and channel is matched as a whole and never split.
GRAMMAR = r"/{prefix}/[A-Za-z0-9](?:[A-Za-z0-9_:+-]|\.(?!\.)){{0,255}}"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_:+-]|\.(?!\.)){0,63}")
_SOURCE = 4  # the part of a fingerprint, between slashes, that begins with the incremental
_SEGMENT = re.compile(SEGMENT)


def lists(prefix: str) -> Callable[[Model, int], dict[str, Page]]:
    """Return the function that renders the lines of all channels below `prefix`."""

    def render(model: Model, now: int) -> dict[str, Page]:
        pages = {}
        for name, offers in model.channel_offers.items():
            build = _offer(model, offers, now)
            path = f"/{prefix}/{model.device}-{name}"
            release = None if build is None else build.full.release
            start = "0 0" if release is None else f"{release.incremental} {release.post_timestamp}"
            pages[path] = make_page(TEXT, f"{start} {model.device} {name}\n".encode())
            if prefix == "calyx" and release is not None:
                text = release.changelog.get(model.options.calyx_locale, "")
                if text:
                    pages[f"{path}-changelog.html"] = make_page(HTML, _html(text))
        return pages

    return render


def _html(text: str) -> bytes:
    lines = "<br>\n".join(escape(line) for line in text.splitlines())
    return f"<!doctype html>\n<meta charset=utf-8>\n<p>{lines}\n".encode()


def _offer(model: Model, offers: ChannelOffers, now: int) -> Build | None:
    """Return the offered build, if the name of its file is unambiguous."""
    build = offer_at(offers, now)
    if build is None:
        return None
    return build if _names(model).get(_full_name(model, build.full)) == build.full.sha256 else None


def _full_name(model: Model, item: Item) -> str:
    return f"{model.device}-ota_update-{item.release.incremental}.zip"


def source_incremental(fingerprint: str) -> str:
    """Return the incremental of a fingerprint; empty if it has none."""
    parts = fingerprint.split("/")
    return parts[_SOURCE].partition(":")[0] if len(parts) > _SOURCE else ""


def _named(model: Model) -> Iterator[tuple[str, ChannelOffers, Item]]:
    """Yield each file name with offers and package; a package may have several names."""
    for offers in model.channel_offers.values():
        for item in offers.items.values():
            if _NAME.fullmatch(item.release.incremental) is None:
                continue
            if item.release.type == "full":
                yield _full_name(model, item), offers, item
                continue
            if not _is_current(offers, item):
                continue
            for source in map(source_incremental, item.release.source_builds):
                if _NAME.fullmatch(source) is not None:
                    name = f"{model.device}-incremental-{source}-{item.release.incremental}.zip"
                    yield name, offers, item


def _is_current(offers: ChannelOffers, item: Item) -> bool:
    """Return whether an incremental is in the pointer, or leads to the previous complete build."""
    pointer, counter = offers.pointer, item.release.counter
    if pointer is None:
        return False
    offered = {package.path for step in pointer.steps for package in step.packages}
    return item.path in offered or counter == pointer.complete_before


def _names(model: Model) -> dict[str, str]:
    """Return the sha256 of each name's file; empty for the name of two different files."""
    found: dict[str, str] = {}
    for name, _, item in _named(model):
        if found.setdefault(name, item.sha256) != item.sha256:
            found[name] = ""
    return found


def files(prefix: str) -> Callable[[Model], dict[str, Content]]:
    """Return the function that lists the packages of a model below `prefix`."""

    def render(model: Model) -> dict[str, Content]:
        hashes, listed = _names(model), dict[str, Content]()
        for name, offers, item in _named(model):
            found = file_of(offers, item) if hashes[name] == item.sha256 else None
            path = f"/{prefix}/{name}"
            # The same bytes may be withdrawn from only one of two channels.
            if found is not None and not (isinstance(found, Gone) and path in listed):
                listed[path] = found
        return listed

    return render


def breaks(model: Model, now: int) -> Iterator[str]:
    """Yield why apps cannot find offered builds by their names."""
    builds = [offer_at(offers, now) for offers in model.channel_offers.values()]
    offered = {item.path: item for each in builds if each is not None for item in each.packages}
    hashes = _names(model)
    for name in sorted({name for name, _, item in _named(model) if item.path in offered}):
        if not hashes[name]:
            yield _ambiguous(name)
    for item in offered.values():
        if _NAME.fullmatch(item.release.incremental) is None:
            yield f"{item.path} has an incremental that cannot be in a file name"


def faults(model: Model, now: int) -> Iterator[str]:
    """Yield why builds are not offered, or cannot be found by their names."""
    found = list(breaks(model, now))
    yield from found
    for name, sha256 in sorted(_names(model).items()):
        if not sha256 and _ambiguous(name) not in found:
            yield _ambiguous(name)


def _ambiguous(name: str) -> str:
    return f"{name} would be the name of two different files: two builds have the same incremental"
