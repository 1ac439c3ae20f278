"""Where blobs lie in an S3-compatible store, and the key that opens it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from server.core.errors import FormatError
from server.storage.bounded import read_bounded
from server.storage.s3_signature import S3Key

if TYPE_CHECKING:
    from obstore.store import S3Credential

SECRET_LIMIT = 1024  # octets; AWS has 40
_URL = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[A-Za-z0-9._-]+)*)/?")
_ENDPOINT = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_REGION = re.compile(r"[a-z0-9-]{1,32}")


@dataclass(frozen=True, slots=True)
class S3Place:
    """A prefix in a bucket behind an endpoint. `key` is None where the machine has a role."""

    bucket: str
    prefix: str
    endpoint: str
    region: str
    key: S3Key | None

    def credential(self) -> "S3Credential":
        """Return the key in the library's form; it does not expire."""
        if self.key is None:
            raise FormatError("there is no S3 key in the settings.")
        return {
            "access_key_id": self.key.id,
            "secret_access_key": self.key.secret,
            "token": None,
            "expires_at": None,
        }


def decode_place(url: str, endpoint: str, region: str, key_id: str, secret: str) -> S3Place:
    """Read `s3://BUCKET/PREFIX` and what goes with it; raises FormatError.

    Without an endpoint it is AWS's of the region; without a key, the library looks for one: in
    `AWS_*` variables, or the role of the machine.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise FormatError("blobs_url is not of the form s3://BUCKET/PREFIX.")
    if _REGION.fullmatch(region) is None:
        raise FormatError("s3_region is not the name of a region, such as eu-central-1.")
    endpoint = endpoint.rstrip("/") or f"https://s3.{region}.amazonaws.com"
    if _ENDPOINT.fullmatch(endpoint) is None:
        raise FormatError("s3_endpoint is not of the form https://HOST:PORT.")
    if bool(key_id) != bool(secret):
        raise FormatError("s3_key_id and a secret go together: set both or neither.")
    key = S3Key(key_id, secret) if key_id else None
    return S3Place(match[1], match[2].strip("/"), endpoint, region, key)


def load_secret(file: Path) -> str:
    """Read a secret from a file that holds nothing else, such as a systemd credential."""
    try:
        return read_bounded(file, SECRET_LIMIT).decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise FormatError(f"{file} does not hold an S3 secret.") from error
