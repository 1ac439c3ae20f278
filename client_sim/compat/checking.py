"""Checks a deployment as one app: requests the offer and, on demand, fetches and verifies it.

Downloads work as in the apps: the whole file, resumed by one range request, and verified.
"""

import hashlib
import io
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.hazmat.primitives.asymmetric import rsa

from client_sim.compat import custota, graphene, lineage
from client_sim.compat.errors import DialectError
from client_sim.compat.http_client import AppPhone, Offer, Reply, Site
from client_sim.compat.lineage import FILE_FIELDS
from client_sim.engine.errors import EngineError
from client_sim.engine.package import verify_package_signature
from client_sim.engine.signatures import load_certificate_key

_GRAPHENE = ("graphene", "calyx")


def check_deployment(
    site: Site, dialect: str, base: str, phone: AppPhone, pem: bytes | None, target: Path | None
) -> dict[str, Any]:
    """Return the offer and the name of the fetched file as JSON values.

    `pem` is the certificate that the phone trusts. The package is fetched into `target`, if given.
    Raises DialectError if the app refuses an answer or the package.
    """
    offer = request_offer(site, dialect, base, phone, pem)
    fetched = ""
    if offer is not None and target is not None:
        offer = fetch(site, offer, target, needs_206=dialect not in _GRAPHENE)
        verify(offer, target, None if pem is None else load_certificate_key(pem))
        if dialect in _GRAPHENE:
            graphene.check_package(target, offer, phone)
        if dialect == "lineage2" and offer.parts is not None:
            lineage.stream_2(site, offer)
        fetched = target.name
    return {
        "dialect": dialect,
        "fetched": fetched,
        "offer": None if offer is None else _show(offer),
    }


def request_offer(
    site: Site, dialect: str, base: str, phone: AppPhone, pem: bytes | None
) -> Offer | None:
    """Return the build that the app of `dialect` would offer, or None."""
    match dialect:
        case "lineage1":
            return lineage.request_offer_1(site, base, phone)
        case "lineage2":
            return lineage.request_offer_2(site, base, phone)
        case "graphene" | "calyx":
            return graphene.request_offer(site, base, phone, dialect)
        case "custota" if pem is not None:
            return custota.request_offer(site, base, phone, load_certificate_key(pem))
        case "crdroid":
            return lineage.request_crdroid_offer(site, base, phone)
        case "pixelexperience":
            return lineage.request_pixelexperience_offer(site, base, phone)
        case _:
            raise DialectError(f"{dialect} cannot be checked: Custota needs a certificate.")


def _show(offer: Offer) -> dict[str, Any]:
    names = ("datetime", "md5", "name", "sha256", "size", "url", "version")
    fallback = "" if offer.fallback is None else offer.fallback.url
    return {"fallback": fallback, **{name: getattr(offer, name) for name in names}}


def fetch(site: Site, offer: Offer, target: Path, *, needs_206: bool = True) -> Offer:
    """Fetch the package into `target`, resuming a partial file; return the fetched offer.

    To resume, LineageOS's app needs status 206. GrapheneOS's app (`needs_206` false) appends the
    body of any 2xx, and regards 416 as complete. After any error the offer's fallback is fetched
    from its start.
    """
    try:
        _fetch(site, offer, target, needs_206=needs_206)
    except DialectError:
        if offer.fallback is None:
            raise
        target.unlink(missing_ok=True)
        return fetch(site, offer.fallback, target, needs_206=needs_206)
    return offer


def _fetch(site: Site, offer: Offer, target: Path, *, needs_206: bool) -> None:
    start = target.stat().st_size if target.exists() else 0
    more = {"Range": f"bytes={start}-"} if start else {}

    def open_target(head: Reply) -> BinaryIO:
        if start and head.status == 416:
            return io.BytesIO()
        if start and needs_206 and head.status != 206:
            raise DialectError(f"a resume was answered with {head.status}, but the app needs 206.")
        if not 200 <= head.status < 300:
            raise DialectError(f"{offer.url} was answered with {head.status}.")
        if head.status == 206:
            _check_range(head, start)
        return target.open("ab")

    reply = site.get(offer.url, {**FILE_FIELDS, **more}, open_target)
    if reply.status == 416 and reply.fields.get("content-range") != f"bytes */{start}":
        raise DialectError("the package does not have the length of the fetched file.")


def _check_range(head: Reply, start: int) -> None:
    stated, length = head.fields.get("content-range", ""), head.fields.get("content-length", "")
    total = start + int(length) if length.isdigit() else -1
    if stated != f"bytes {start}-{total - 1}/{total}":
        raise DialectError(f"a resume from {start} was answered with Content-Range {stated[:60]}.")


def verify(offer: Offer, path: Path, key: rsa.RSAPublicKey | None) -> None:
    """Raise DialectError unless the file has the list's size and hashes and is signed by `key`.

    Without `key` the signature is not checked.
    """
    size = path.stat().st_size
    if offer.size not in {-1, size}:
        raise DialectError(f"the package has {size} bytes, but the list says {offer.size}.")
    for name, expected in (("sha256", offer.sha256), ("md5", offer.md5)):
        if expected and _hash(path, name) != expected:
            raise DialectError(f"the package's {name} is not the list's.")
    if key is not None:
        with path.open("rb") as file:
            try:
                verify_package_signature(file, key)
            except EngineError as error:
                raise DialectError(str(error)) from error


def _hash(path: Path, name: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.new(name, usedforsecurity=False)
        ).hexdigest()
