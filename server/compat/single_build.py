"""Dialects whose JSON has one build: crDroid, PixelExperience and Custota.

Source: docs/FORMATS.md section 18. For the first two, labels of a release give the fields that a
release does not have. For Custota packages and their signatures are beside the JSON file. Custota
has no answer for "no update": without a complete build the file does not exist.
"""

from collections.abc import Iterator
from typing import Any

from server.compat.offers import Build, Item, Model, find_missing_labels, labelled_offer
from server.compat.options import SEGMENT
from server.compat.pages import Content, Gone, Page, file_of, hashed_files, json_page
from server.http.answers import Package

MD5 = "md5"
CRDROID_VERSION, PE_VERSION = "crdroid.version", "pe.version"
_TEXTS = (
    *("maintainer", "buildtype", "forum", "telegram", "gapps", "firmware", "modem", "bootloader"),
    *("recovery", "paypal"),
)
_FILE = r"[0-9a-f]{64}\.[a-z0-9._-]{1,95}"
GRAMMAR_CRDROID = rf"/crdroid/(?:{SEGMENT}\.json|files/{SEGMENT}/{_FILE})"
GRAMMAR_PE = rf"/pe/(?:{SEGMENT}/{SEGMENT}|files/{SEGMENT}/{_FILE})"
VBMETA = "vbmeta"
_CUSTOTA = "/custota"
GRAMMAR_CUSTOTA = rf"{_CUSTOTA}/(?:{SEGMENT}\.json|{_FILE}\.zip(?:\.csig)?)"


def lists_crdroid(model: Model, now: int) -> dict[str, Page]:
    """Return the file of a device; the older app refuses a file without one of the fields."""
    build = labelled_offer(model.single, now, CRDROID_VERSION, MD5)
    elements = [] if build is None else [_crdroid(model, build.full)]
    is_array = model.options.crdroid_shape == "array"
    value: Any = elements if is_array else {"response": elements}
    return {f"/crdroid/{model.device}.json": json_page(value)}


def _crdroid(model: Model, item: Item) -> dict[str, Any]:
    texts = {name: item.label(f"crdroid.{name}") for name in _TEXTS}
    return texts | {
        "download": model.url(f"/crdroid/files/{model.device}/{item.hashed}"),
        "filename": item.file,
        "md5": item.label(MD5),
        "sha256": item.sha256,
        "size": item.length,
        "timestamp": item.release.post_timestamp,
        "version": item.label(CRDROID_VERSION),
    }


def lists_pe(model: Model, now: int) -> dict[str, Page]:
    """Return one object for each version that the app asks for; date 0 means no update."""
    build = labelled_offer(model.single, now, PE_VERSION, MD5)
    item = None if build is None else build.full
    pages = {}
    for version in model.options.pe_versions:
        found = item if item is not None and item.label(PE_VERSION) == version else None
        pages[f"/pe/{model.device}/{version}"] = json_page(_pe(model, version, found))
    return pages


def _pe(model: Model, version: str, item: Item | None) -> dict[str, Any]:
    if item is None:
        empty = dict.fromkeys(("filename", "id", "url", "filehash"), "")
        return empty | {"datetime": 0, "size": 0, "version": version}
    return {
        "datetime": item.release.post_timestamp,
        "filehash": item.label(MD5),
        "filename": item.file,
        "id": item.sha256,
        "size": item.length,
        "url": model.url(f"/pe/files/{model.device}/{item.hashed}"),
        "version": version,
    }


def files_crdroid(model: Model) -> dict[str, Content]:
    """Return the full packages."""
    return hashed_files(model, f"/crdroid/files/{model.device}")


def files_pe(model: Model) -> dict[str, Content]:
    """Return the full packages."""
    return hashed_files(model, f"/pe/files/{model.device}")


def faults_crdroid(model: Model, now: int) -> Iterator[str]:
    """Yield why builds are not offered."""
    return find_missing_labels(model.single, now, CRDROID_VERSION, MD5)


def faults_pe(model: Model, now: int) -> Iterator[str]:
    """Yield why builds are not offered."""
    return find_missing_labels(model.single, now, PE_VERSION, MD5)


def lists_custota(model: Model, now: int) -> dict[str, Page]:
    """Return the file of a device, if it is offered a build with a csig."""
    build = labelled_offer(model.single, now)
    if build is None or build.full.csig is None:
        return {}
    value: dict[str, Any] = {"version": 2, "full": _custota_locations(build.full)}
    found = dict(_custota_incrementals(model, build))
    if found:
        value["incremental"] = found
    return {f"{_CUSTOTA}/{model.device}.json": json_page(value)}


def _custota_locations(item: Item) -> dict[str, str]:
    """Return the locations of package and csig, relative to the folder."""
    return {"location_ota": item.hashed, "location_csig": f"{item.hashed}.csig"}


def _custota_incrementals(model: Model, build: Build) -> Iterator[tuple[str, dict[str, str]]]:
    for item in build.incrementals:
        for fingerprint in item.release.source_builds:
            source = model.sources.get(fingerprint)
            vbmeta = "" if source is None else source.label(VBMETA)
            if vbmeta and item.csig is not None:
                yield vbmeta, _custota_locations(item)


def files_custota(model: Model) -> dict[str, Content]:
    """Return the packages that have a csig, and the csigs."""
    listed: dict[str, Content] = {}
    offers = model.single
    for item in () if offers is None else offers.items.values():
        found = None if item.csig is None or offers is None else file_of(offers, item)
        if found is not None and item.csig is not None:
            is_gone = isinstance(found, Gone)
            csig = found if is_gone else Package(item.csig.sha256, item.csig.length)
            listed |= {f"{_CUSTOTA}/{item.hashed}": found, f"{_CUSTOTA}/{item.hashed}.csig": csig}
    return listed


def faults_custota(model: Model, now: int) -> Iterator[str]:
    """Yield why builds are not offered."""
    build = labelled_offer(model.single, now)
    if build is not None and build.full.csig is None:
        yield f"{build.full.path} has no csig: make one with `hening-signer ota csig`"
