"""Submission bundles of the signer, and the server's results.

Source: docs/FORMATS.md section 6.
"""

import hashlib
from typing import Annotated, Literal

import msgspec

from server.core.encodings import decode_canonical_json, encode_canonical_json
from server.core.errors import FormatError
from server.core.names import check_codename, is_online
from server.core.release import Hash, Integer, Positive

MAX_BUNDLE = 1_048_576
MAX_RESULT = 65_536


class RoleFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """One version of an offline role: `metadata/VERSION.NAME.json`."""

    name: str
    version: Positive
    sha256: Hash
    length: Positive


class BlobFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """One target's bytes: `blobs/SHA256`."""

    sha256: Hash
    length: Integer


class Bundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A submission: role versions and the blobs that they list."""

    schema: Literal[1] = 1
    kind: Literal["submission"] = "submission"
    roles: Annotated[list[RoleFile], msgspec.Meta(min_length=1, max_length=1000)]
    blobs: Annotated[list[BlobFile], msgspec.Meta(max_length=1000)]


class Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The result of a submission; `time` is in epoch seconds, `snapshot` is 0 if refused."""

    schema: Literal[1] = 1
    id: Hash
    status: Literal["published", "refused"]
    reason: str
    snapshot: Integer
    time: Integer

    def __post_init__(self) -> None:
        if self.status == "published" and (self.reason or not self.snapshot):
            raise ValueError("a published submission has a snapshot and no reason")
        if self.status == "refused" and self.snapshot:
            raise ValueError("a refused submission has no snapshot")


def encode_bundle(bundle: Bundle) -> tuple[str, bytes]:
    """Return the id of a bundle and the bytes of its `bundle.json`."""
    data = encode_canonical_json(msgspec.to_builtins(bundle))
    decode_bundle(data)
    return hashlib.sha256(data).hexdigest(), data


def decode_bundle(data: bytes) -> Bundle:
    """Read `bundle.json`; raises FormatError for anything but its one encoding."""
    value = decode_canonical_json(data, limit=MAX_BUNDLE)
    try:
        bundle = msgspec.convert(value, Bundle)
    except msgspec.ValidationError as error:
        raise FormatError(f"the bundle is malformed: {error}.") from error
    _check_complete(bundle, data)
    versions = [(role.name, role.version) for role in bundle.roles]
    hashes = [blob.sha256 for blob in bundle.blobs]
    if sorted(set(versions)) != versions or sorted(set(hashes)) != hashes:
        raise FormatError("the bundle's lists are not sorted, or have repetitions.")
    for name, _ in versions:
        if is_online(name):
            raise FormatError(f"the bundle holds the role {name}, which only the server signs.")
        if name not in {"root", "targets", "tables", "content"}:
            check_codename(name)
    return bundle


def encode_result(result: Result) -> bytes:
    """Return the bytes of `results/ID.json`."""
    data = encode_canonical_json(msgspec.to_builtins(result))
    decode_result(data)
    return data


def decode_result(data: bytes) -> Result:
    """Read `results/ID.json`; raises FormatError for anything but its one encoding."""
    value = decode_canonical_json(data, limit=MAX_RESULT)
    try:
        result = msgspec.convert(value, Result)
    except msgspec.ValidationError as error:
        raise FormatError(f"the result is malformed: {error}.") from error
    _check_complete(result, data)
    return result


def _check_complete(value: Bundle | Result, data: bytes) -> None:
    # msgspec fills in members with defaults, but the file must contain them.
    if encode_canonical_json(msgspec.to_builtins(value)) != data:
        raise FormatError("a bundle or result lacks its `schema` or `kind`.")
