"""JSON of one build from a template of fields: crDroid's and PixelExperience's Updater.

Source: docs/FORMATS.md section 18. Fields that a release lacks are its labels.
"""

from collections.abc import Iterator
from typing import Any

from server.compat.offers import Item, Model, find_missing_labels, labelled_offer
from server.compat.options import SEGMENT
from server.compat.pages import Content, Page, hashed_files, json_page

MD5 = "md5"
CRDROID_VERSION, PE_VERSION = "crdroid.version", "pe.version"
_TEXTS = (
    *("maintainer", "buildtype", "forum", "telegram", "gapps", "firmware", "modem", "bootloader"),
    *("recovery", "paypal"),
)
_FILE = r"[0-9a-f]{64}\.[a-z0-9._-]{1,95}"
GRAMMAR_CRDROID = rf"/crdroid/(?:{SEGMENT}\.json|files/{SEGMENT}/{_FILE})"
GRAMMAR_PE = rf"/pe/(?:{SEGMENT}/{SEGMENT}|files/{SEGMENT}/{_FILE})"


def lists_crdroid(model: Model, now: int) -> dict[str, Page]:
    """Return the file of a device; the older app refuses one that lacks a field."""
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
    """Return one object for each version that the app asks for; dated 0 it says "nothing"."""
    build = labelled_offer(model.single, now, PE_VERSION, MD5)
    item = None if build is None else build.full
    pages = {}
    for version in model.options.pe_versions:
        found = item if item is not None and item.label(PE_VERSION) == version else None
        pages[f"/pe/{model.device}/{version}"] = json_page(_pe(model, version, found))
    return pages


def _pe(model: Model, version: str, item: Item | None) -> dict[str, Any]:
    if item is None:
        nothing = dict.fromkeys(("filename", "id", "url", "filehash"), "")
        return nothing | {"datetime": 0, "size": 0, "version": version}
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
    """Yield what keeps builds from being offered."""
    return find_missing_labels(model.single, now, CRDROID_VERSION, MD5)


def faults_pe(model: Model, now: int) -> Iterator[str]:
    """Yield what keeps builds from being offered."""
    return find_missing_labels(model.single, now, PE_VERSION, MD5)
