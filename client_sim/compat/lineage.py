"""A strict simulation of LineageOS's Updater: version 1 in Java and version 2 in Kotlin.

It also simulates crDroid's and PixelExperience's Updater, which are forks of version 1.
"""

import json
import re
from typing import Any

from client_sim.compat.errors import DialectError
from client_sim.compat.http_client import AppPhone, Offer, Reply, Site, check_members, get_complete

PLATFORM = "Dalvik/2.1.0 (Linux; U; Android 16; FP4 Build/BP4A.250101.001)"
FIELDS_1 = {"User-Agent": PLATFORM, "Connection": "Keep-Alive", "Accept-Encoding": "gzip"}
FIELDS_2 = {"Accept": "application/json", "Accept-Charset": "UTF-8", "User-Agent": "ktor-client"}
FILE_FIELDS = {"User-Agent": PLATFORM, "Connection": "Keep-Alive", "Accept-Encoding": "identity"}
MAX_LIST = 32_768  # bytes that version 2 reads
_TEXTS_1 = ("filename", "id", "romtype", "url", "version")
_MAJOR_MINOR = re.compile(r"([0-9]+)\.([0-9]+)")
CRDROID = (
    *("filename", "md5", "download", "version", "maintainer", "buildtype", "forum", "telegram"),
    *("gapps", "firmware", "modem", "bootloader", "recovery", "paypal"),
)
PE = ("filename", "id", "url", "version", "filehash")


def request_offer_1(site: Site, base: str, phone: AppPhone) -> Offer | None:
    """Return the build that version 1 would offer; `base` is the public URL."""
    url = f"{base}/lineage/v1/{phone.device}/{phone.channel.lower()}"
    if phone.incremental:
        url += f"/{phone.incremental}"
    return choose_1(read_1(get_complete(site, url, FIELDS_1)), phone)


def read_1(reply: Reply) -> list[dict[str, Any]]:
    """Return the valid elements: invalid ones are skipped, but `response` must be there."""
    try:
        elements = json.loads(reply.body)["response"]
    except (ValueError, KeyError, TypeError) as error:
        raise DialectError("the list has no `response`, so the check fails.") from error
    if not isinstance(elements, list):
        raise DialectError("`response` is not a list, so the check fails.")
    return [each for each in elements if _is_good_1(each)]


def _is_good_1(element: object) -> bool:
    try:
        check_members(element, _TEXTS_1, ("datetime", "size"))
    except DialectError:
        return False
    return True


def choose_1(elements: list[dict[str, Any]], phone: AppPhone) -> Offer | None:
    """Return the newest element that the app offers and can install.

    The app shows every version that is not lower in a comparison of texts, but installs only the
    running version.
    """
    fitting = [
        each
        for each in elements
        if each["version"] == phone.version
        and each["datetime"] > phone.built
        and each["romtype"].lower() == phone.channel.lower()
    ]
    newest = max(fitting, key=lambda each: each["datetime"], default=None)
    if newest is None:
        return None
    return Offer(
        url=newest["url"],
        datetime=newest["datetime"],
        name=newest["filename"],
        size=newest["size"],
        sha256=newest["id"],
        version=newest["version"],
    )


def request_offer_2(site: Site, base: str, phone: AppPhone) -> Offer | None:
    """Return the build that version 2 would offer."""
    url = f"{base}/lineage/v2/devices/{phone.device}/builds"
    check_https(url)
    return choose_2(read_2(get_complete(site, url, FIELDS_2)), phone)


def check_https(url: str) -> None:
    """Raise DialectError unless the URL is https; version 2 requests no other."""
    if not url.startswith("https://"):
        raise DialectError(f"{url} is not https, but the app of version 2 requests nothing else.")


def read_2(reply: Reply) -> list[dict[str, Any]]:
    """Return the elements; one invalid element fails the whole list."""
    if reply.kind != "application/json":
        raise DialectError(f"the list is {reply.kind or 'of no type'}, not application/json.")
    if len(reply.body) > MAX_LIST:
        raise DialectError(
            f"the list has {len(reply.body)} bytes, but the app reads only {MAX_LIST}."
        )
    try:
        elements = json.loads(reply.body)
    except ValueError as error:
        raise DialectError("the list is not JSON.") from error
    if not isinstance(elements, list):
        raise DialectError("the list is not an array.")
    for element in elements:
        _check_2(element)
    return elements


def _check_2(element: Any) -> None:  # noqa: ANN401 - any JSON value
    check_members(element, ("type", "version"), ("datetime",))
    files = element.get("files")
    if not isinstance(files, list) or not files:
        raise DialectError("an element has no file.")
    check_members(files[0], ("filename", "sha256", "url"), ("size",))
    _read_parts(files[0].get("ota_property_files"))


def _read_parts(text: object) -> dict[str, tuple[int, int]] | None:
    if text is None:
        return None
    parts = {}
    for token in str(text).rstrip(" ").split(","):
        pieces = token.split(":")
        if len(pieces) != 3 or not (pieces[1].isdigit() and pieces[2].isdigit()):
            raise DialectError(
                f"`ota_property_files` has {token[:40]!r}, which is not NAME:OFFSET:SIZE."
            )
        parts[pieces[0]] = int(pieces[1]), int(pieces[2])
    return parts


def choose_2(elements: list[dict[str, Any]], phone: AppPhone) -> Offer | None:
    """Return the newest element that the app offers: same major, minor not lower, same type."""
    running = _MAJOR_MINOR.fullmatch(phone.version)
    fitting = []
    for each in elements:
        found = _MAJOR_MINOR.fullmatch(each["version"])
        if (
            found is not None
            and running is not None
            and found[1] == running[1]
            and int(found[2]) >= int(running[2])
            and each["datetime"] > phone.built
            and each["type"].lower() == phone.channel.lower()
        ):
            fitting.append(each)
    newest = max(fitting, key=lambda each: each["datetime"], default=None)
    if newest is None:
        return None
    file = newest["files"][0]
    return Offer(
        url=file["url"],
        datetime=newest["datetime"],
        name=file["filename"],
        size=file["size"],
        sha256=file["sha256"],
        version=newest["version"],
        parts=_read_parts(file.get("ota_property_files")),
    )


def stream_2(site: Site, offer: Offer) -> tuple[str, int, int, bytes]:
    """Return update_engine's input: URL, offset and size of the payload, and its properties.

    The properties are fetched by one range request, whose answer must be 206 with Content-Range.
    """
    check_https(offer.url)
    parts = offer.parts or {}
    if not {"payload.bin", "payload_properties.txt"} <= parts.keys():
        raise DialectError("the list does not say where the payload is, so nothing can stream.")
    first, size = parts["payload_properties.txt"]
    last = first + size - 1
    reply = site.get(offer.url, {**FIELDS_2, "Range": f"bytes={first}-{last}"})
    if reply.status != 206:
        raise DialectError(f"a range was answered with {reply.status}, but the app needs 206.")
    if not reply.fields.get("content-range", "").startswith(f"bytes {first}-{last}/"):
        raise DialectError("a range was answered without its Content-Range.")
    if b"FILE_HASH=" not in reply.body:
        raise DialectError("the range of payload_properties.txt has no FILE_HASH.")
    return offer.url, *parts["payload.bin"], reply.body


def request_crdroid_offer(site: Site, base: str, phone: AppPhone) -> Offer | None:
    """Return the build that crDroid's app would offer: the newest, of any type and version."""
    value = _fetch(site, f"{base}/crdroid/{phone.device}.json")
    elements = value.get("response") if isinstance(value, dict) else value
    if not isinstance(elements, list):
        raise DialectError("the list has no `response`, and is not an array.")
    for element in elements:
        check_members(element, CRDROID, ("timestamp", "size"))
    newest = max(elements, key=lambda each: int(each["timestamp"]), default=None)
    if newest is None or newest["timestamp"] <= phone.built:
        return None
    return Offer(
        url=newest["download"],
        datetime=newest["timestamp"],
        name=newest["filename"],
        size=newest["size"],
        sha256=newest.get("sha256", ""),
        md5=newest["md5"],
        version=newest["version"],
    )


def request_pixelexperience_offer(site: Site, base: str, phone: AppPhone) -> Offer | None:
    """Return the build that PixelExperience's app would offer; date 0 means that there is none."""
    value = _fetch(site, f"{base}/pe/{phone.device}/{phone.version}")
    check_members(value, PE, ("datetime", "size"))
    if value["datetime"] <= phone.built:
        return None
    return Offer(
        url=value["url"],
        datetime=value["datetime"],
        name=value["filename"],
        size=value["size"],
        md5=value["filehash"],
        version=value["version"],
    )


def _fetch(site: Site, url: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(get_complete(site, url, FIELDS_1).body)
    except ValueError as error:
        raise DialectError("the list is not JSON.") from error
