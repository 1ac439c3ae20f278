"""A strict simulation of Custota: update info, the signed list of parts, and parts by range."""

import hashlib
import json
from dataclasses import dataclass
from urllib.parse import urljoin

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from client_sim.compat.errors import DialectError
from client_sim.compat.http_client import (
    AppPhone,
    Offer,
    Site,
    check_complete,
    check_ok,
    get_complete,
)
from client_sim.der import BYTES, CONTEXT_0, OBJECT, SEQUENCE, SET, Element, decode_elements
from client_sim.engine.errors import PackageError

FIELDS = {"User-Agent": "com.chiller3.custota/6.4", "Accept-Encoding": "identity"}
NEEDED = ("metadata.pb", "payload.bin", "payload_metadata.bin", "payload_properties.txt")
_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
_MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a package, as the csig states it."""

    offset: int
    size: int
    digest: str


def request_offer(site: Site, base: str, phone: AppPhone, key: rsa.RSAPublicKey) -> Offer | None:
    """Return the package that the app would offer, after verifying its csig and three parts.

    Return None if the package's metadata names the running build.
    """
    url = f"{base}/custota/{phone.device}.json"
    package, csig = read_info(get_complete(site, url, FIELDS).body, url, phone)
    signed = site.get(csig, FIELDS)
    check_ok(signed, csig)
    parts = read_csig(signed.body, key)
    for name in NEEDED:
        if name not in parts:
            raise DialectError(f"the csig does not name {name}.")
    metadata = fetch_part(site, package, parts["metadata.pb"])
    if phone.fingerprint and phone.fingerprint.encode() in metadata:
        return None
    found = {name: (part.offset, part.size) for name, part in parts.items()}
    fetch_part(site, package, parts["payload_properties.txt"])
    fetch_part(site, package, parts["payload_metadata.bin"])
    return Offer(package, 0, parts=found)


def read_info(data: bytes, url: str, phone: AppPhone) -> tuple[str, str]:
    """Return the URLs of package and csig: an incremental from the running system, else the full.

    `phone.vbmeta` identifies the running system.
    """
    try:
        info = json.loads(data)
        version, chosen = info["version"], info["full"]
        chosen = info.get("incremental", {}).get(phone.vbmeta, chosen)
        package, csig = str(chosen["location_ota"]), str(chosen["location_csig"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DialectError("the update info has no `full` with both locations.") from error
    if version != 2:
        raise DialectError(f"the update info has version {version}, but the app reads 2.")
    return urljoin(url, package), urljoin(url, csig)


def read_csig(data: bytes, key: rsa.RSAPublicKey) -> dict[str, Part]:
    """Return the parts by name; raises DialectError unless `key` signed them."""
    try:
        content, info = _open(data)
        _verify(content, info, key)
        document = json.loads(content)
        if document["version"] != 2:
            raise DialectError(f"the csig has version {document['version']}, but the app reads 2.")
        return {
            each["name"]: Part(int(each["offset"]), int(each["size"]), str(each["digest"]))
            for each in document["files"]
        }
    except (PackageError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DialectError(f"the csig cannot be read: {error}") from error


def _open(data: bytes) -> tuple[bytes, list[Element]]:
    """Return the enclosed content, and the elements of the first signer."""
    (message,) = decode_elements(data)
    kind, wrapped = message.elements()
    if (message.tag, kind.tag, kind.content) != (SEQUENCE, OBJECT, _SIGNED_DATA):
        raise ValueError("it is not a CMS signature.")
    (signed,) = wrapped.elements()
    parts = signed.elements()
    enclosed = parts[2].elements()[1].elements()[0]
    if enclosed.tag != BYTES or parts[-1].tag != SET:
        raise ValueError("it encloses nothing, or has no signature.")
    return enclosed.content, parts[-1].elements()[0].elements()


def _verify(content: bytes, info: list[Element], key: rsa.RSAPublicKey) -> None:
    """Raise DialectError unless the signer's signature is by `key` over the content."""
    attributes = [each for each in info if each.tag == CONTEXT_0]
    signature = next(each for each in info if each.tag == BYTES).content
    signed = content
    if attributes:
        stated = [
            values.elements()[0].content
            for name, values in (each.elements() for each in attributes[0].elements())
            if name.tag == OBJECT and name.content == _MESSAGE_DIGEST
        ]
        if stated != [hashlib.sha256(content).digest()]:
            raise DialectError("the csig's digest is not that of its content.")
        signed = _as_set(attributes[0].content)
    try:
        key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise DialectError("the csig is not signed by the key that the phone trusts.") from None


def _as_set(content: bytes) -> bytes:
    """Return the DER of the attributes as a SET OF: the signed bytes (RFC 5652 section 5.4)."""
    length = len(content)
    if length < 0x80:
        return bytes([SET, length]) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([SET, 0x80 | len(size)]) + size + content


def fetch_part(site: Site, url: str, part: Part) -> bytes:
    """Return a part of a package; its Content-Range, length and digest are checked."""
    last = part.offset + part.size - 1
    reply = site.get(url, {**FIELDS, "Range": f"bytes={part.offset}-{last}"})
    check_ok(reply, url)
    if not reply.fields.get("content-range", "").startswith(f"bytes {part.offset}-{last}/"):
        raise DialectError("a range was answered without its Content-Range.")
    check_complete(reply, url)
    if len(reply.body) != part.size or hashlib.sha256(reply.body).hexdigest() != part.digest:
        raise DialectError("a part of the package does not match the csig.")
    return reply.body
