"""Custota: one JSON file for each device, packages and their signatures beside it.

Source: docs/FORMATS.md section 18. There is no answer that says "nothing": without a complete build
the file is not there.
"""

from collections.abc import Iterator
from typing import Any

from server.compat.offers import Build, Item, Model, labelled_offer
from server.compat.options import SEGMENT
from server.compat.pages import Content, Gone, Page, file_of, json_page
from server.http.answers import Package

VBMETA = "vbmeta"
FOLDER = "/custota"
GRAMMAR = rf"{FOLDER}/(?:{SEGMENT}\.json|[0-9a-f]{{64}}\.[a-z0-9._-]{{1,95}}\.zip(?:\.csig)?)"


def lists(model: Model, now: int) -> dict[str, Page]:
    """Return the file of a device, or nothing."""
    build = labelled_offer(model.single, now)
    if build is None or build.full.csig is None:
        return {}
    value: dict[str, Any] = {"version": 2, "full": _locations(build.full)}
    found = dict(_incrementals(model, build))
    if found:
        value["incremental"] = found
    return {f"{FOLDER}/{model.device}.json": json_page(value)}


def _locations(item: Item) -> dict[str, str]:
    """Return the two locations, relative to the folder."""
    return {"location_ota": item.hashed, "location_csig": f"{item.hashed}.csig"}


def _incrementals(model: Model, build: Build) -> Iterator[tuple[str, dict[str, str]]]:
    for item in build.incrementals:
        for fingerprint in item.release.source_builds:
            source = model.sources.get(fingerprint)
            vbmeta = "" if source is None else source.label(VBMETA)
            if vbmeta and item.csig is not None:
                yield vbmeta, _locations(item)


def files(model: Model) -> dict[str, Content]:
    """Return the packages that have a csig, and the csigs."""
    listed: dict[str, Content] = {}
    shelf = model.single
    for item in () if shelf is None else shelf.items.values():
        found = None if item.csig is None or shelf is None else file_of(shelf, item)
        if found is not None and item.csig is not None:
            gone = isinstance(found, Gone)
            csig = found if gone else Package(item.csig.sha256, item.csig.length)
            listed |= {f"{FOLDER}/{item.hashed}": found, f"{FOLDER}/{item.hashed}.csig": csig}
    return listed


def faults(model: Model, now: int) -> Iterator[str]:
    """Yield what keeps builds from being offered."""
    build = labelled_offer(model.single, now)
    if build is not None and build.full.csig is None:
        yield f"{build.full.path} has no csig: make one with `hening-signer ota csig`"
