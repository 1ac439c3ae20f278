"""The obstore client of an S3-compatible store; its errors are translated."""

import contextlib
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import unescape

import obstore
from obstore.exceptions import (
    BaseError,
    GenericError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from server.core.encodings import check_sha256
from server.core.errors import FormatError
from server.storage.bounded import read_bounded
from server.storage.errors import StorageError

if TYPE_CHECKING:
    from obstore import Attributes
    from obstore.store import S3Credential

EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class S3Key:
    """An access key; its secret is not in its `repr`."""

    id: str
    secret: str = field(repr=False)


def sign_request(
    method: str,
    host: str,
    path: str,
    query: Mapping[str, str],
    key: S3Key,
    region: str,
    now: datetime,
) -> tuple[str, dict[str, str]]:
    """Return request target and headers of a signed request without a body.

    `path` is not encoded yet; `now` is in UTC.
    """
    time = now.strftime("%Y%m%dT%H%M%SZ")
    target = quote(path, safe="/-_.~")
    arguments = "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
        for name, value in sorted(query.items())
    )
    headers = {"host": host, "x-amz-content-sha256": EMPTY, "x-amz-date": time}
    listed = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"{method}\n{target}\n{arguments}\n{lines}\n{listed}\n{EMPTY}"
    scope = f"{time[:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}"
    signer = f"AWS4{key.secret}".encode()
    for part in scope.split("/"):
        signer = hmac.digest(signer, part.encode(), "sha256")
    signature = hmac.digest(signer, text.encode(), "sha256").hex()
    credential = f"Credential={key.id}/{scope}, SignedHeaders={listed}, Signature={signature}"
    headers["authorization"] = f"AWS4-HMAC-SHA256 {credential}"
    return f"{target}?{arguments}" if arguments else target, headers


SECRET_LIMIT = 1024  # bytes; AWS has 40
_URL = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[A-Za-z0-9._-]+)*)/?")
_ENDPOINT = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_REGION = re.compile(r"[a-z0-9-]{1,32}")


@dataclass(frozen=True, slots=True)
class S3Place:
    """A prefix in a bucket at an endpoint. `key` is None if the machine has a role."""

    bucket: str
    prefix: str
    endpoint: str
    region: str
    key: S3Key | None

    def credential(self) -> "S3Credential":
        """Return the key as the library's type; it does not expire."""
        if self.key is None:
            raise FormatError("there is no S3 key in the settings.")
        return {
            "access_key_id": self.key.id,
            "secret_access_key": self.key.secret,
            "token": None,
            "expires_at": None,
        }


def decode_place(
    url: str, endpoint: str, region: str, key_id: str, secret: str, setting: str = "blobs_url"
) -> S3Place:
    """Read `s3://BUCKET/PREFIX` and its parameters; raises FormatError, which names `setting`.

    The default endpoint is that of AWS for the region. Without a key, the library looks for one: in
    `AWS_*` variables, or the role of the machine.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise FormatError(f"{setting} is not of the form s3://BUCKET/PREFIX.")
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


_STATUS = re.compile(r"status code: ([0-9]{3}[A-Za-z ]*)")
_REFUSED = ("401", "403")
_PAST_THE_END = "416"


def open_store(place: S3Place, patience: timedelta, request: timedelta, retries: int) -> S3Store:
    """Return a client that waits for an answer, and repeats failed requests, for `patience`.

    `request` is how long one request may take as a whole.
    """
    return S3Store(
        place.bucket,
        prefix=place.prefix or None,
        endpoint=place.endpoint,
        region=place.region,
        client_options={
            "allow_http": place.endpoint.startswith("http://"),
            "connect_timeout": min(patience, timedelta(seconds=5)),
            "read_timeout": patience,
            "timeout": request,
        },
        retry_config={
            "max_retries": retries,
            "retry_timeout": patience,
            "backoff": {
                "init_backoff": timedelta(milliseconds=100),
                "max_backoff": timedelta(seconds=2),
            },
        },
        # A provider keeps the secret out of the store's `repr`, and keys of `AWS_*` variables out
        # of ours.
        credential_provider=None if place.key is None else place.credential,
    )


PART = 8 * 1024 * 1024  # bytes of a part; S3 takes 5 MiB to 5 GiB, and at most 10,000 parts
PARTS = 9_000
AT_ONCE = 2  # parts in memory and being sent


def put_parts(
    store: S3Store,
    key: str,
    pieces: Iterator[bytes],
    length: int,
    attributes: "Attributes | None" = None,
) -> None:
    """Upload `length` bytes in parts, which S3 shows as one object once all are there.

    If `pieces` raise an error, also at their end, no object is created.
    """
    obstore.put(
        store,
        key,
        pieces,
        attributes=attributes,
        use_multipart=True,
        chunk_size=max(PART, -(-length // PARTS)),
        max_concurrency=AT_ONCE,
    )


async def get_range(store: S3Store, key: str, first: int, end: int) -> "obstore.GetResult | None":
    """Request the bytes between two offsets; returns None if the object ends before the first.

    S3 refuses every range of an empty object. Raises the library's errors.
    """
    try:
        return await obstore.get_async(store, key, options={"range": (first, end)})
    except GenericError as error:
        status = _STATUS.search(str(error))
        if status and status[1].startswith(_PAST_THE_END):
            return None
        raise


def blob_key(sha256: str) -> str:
    """Return the key of a blob below the prefix; raises FormatError unless the name is a sha256."""
    check_sha256(sha256)
    return f"{sha256[:2]}/{sha256}"


@contextlib.contextmanager
def translated_errors(action: str) -> Iterator[None]:
    """Turn the library's errors into StorageError; their texts quote whole pages and requests."""
    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise _refusal(action) from error
    except FileNotFoundError as error:
        raise StorageError(f"the S3 store does not {action}: it is not there.") from error
    except (BaseError, OSError, ValueError) as error:
        status = _STATUS.search(str(error))
        if status and status[1].startswith(_REFUSED):  # the library raises this for lists
            raise _refusal(action) from error
        reason = status[1].strip() if status else "there was no answer, or an incomplete one"
        raise StorageError(f"the S3 store does not {action}: {reason}.") from error


def _refusal(action: str) -> StorageError:
    return StorageError(
        f"the S3 store refuses to {action}: check key, secret, the key's rights, and this machine's"
        " clock."
    )


SECONDS = 30.0  # for one request
LIMIT = 8 * 1024 * 1024  # bytes of an answer: a thousand uploads take under one
_UPLOAD = re.compile(r"<Upload>(.*?)</Upload>", re.DOTALL)
_FIELDS = [re.compile(rf"<{name}>([^<]*)</{name}>") for name in ("Key", "UploadId", "Initiated")]


@dataclass(frozen=True, slots=True)
class Upload:
    """One unfinished upload: its key, S3's name for it, and when it was begun."""

    key: str
    id: str
    begun: datetime


ABANDONED_AFTER = timedelta(days=1)  # an upload that began earlier is not running any more


@dataclass(frozen=True, slots=True)
class S3Uploads:
    """The unfinished uploads below the prefix of `place`; none are listed without a key."""

    place: S3Place
    clock: Callable[[], datetime]

    @property
    def prefix(self) -> str:
        """The prefix of the uploads' keys."""
        return f"{self.place.prefix}/" if self.place.prefix else ""

    def abort(self, age: timedelta) -> int:
        """Abort every upload begun at least `age` ago and return how many; raises StorageError.

        It handles one answer of S3, at most a thousand uploads; the next call handles others.
        """
        old = [each for each in self.list() if self.clock() - each.begun >= age]
        for upload in old:
            self._ask("DELETE", f"/{self.place.bucket}/{upload.key}", {"uploadId": upload.id})
        return len(old)

    def list(self) -> list[Upload]:
        """Return the unfinished uploads, a thousand at most."""
        answer = self._ask("GET", f"/{self.place.bucket}", {"uploads": "", "prefix": self.prefix})
        found = []
        for entry in _UPLOAD.findall(answer):
            key, upload, begun = (field.search(entry) for field in _FIELDS)
            if key and upload and begun and key[1].startswith(self.prefix):
                time = datetime.fromisoformat(begun[1])
                found.append(Upload(unescape(key[1]), unescape(upload[1]), time))
        return found

    def _ask(self, method: str, path: str, query: Mapping[str, str]) -> str:
        if self.place.key is None:
            return ""
        address, now = urlsplit(self.place.endpoint), self.clock()
        target, headers = sign_request(
            method, address.netloc, path, query, self.place.key, self.place.region, now
        )
        connect = HTTPSConnection if address.scheme == "https" else HTTPConnection
        connection = connect(address.netloc, timeout=SECONDS)
        try:
            connection.request(method, target, headers=headers)
            answer = connection.getresponse()
            body = answer.read(LIMIT)
        except (OSError, HTTPException) as error:
            raise StorageError("the S3 store does not answer: check its endpoint.") from error
        finally:
            connection.close()
        # 404: another process aborted the upload meanwhile.
        if answer.status >= HTTPStatus.BAD_REQUEST and answer.status != HTTPStatus.NOT_FOUND:
            if str(answer.status).startswith(_REFUSED):
                raise _refusal("sweep unfinished uploads")
            raise StorageError(f"the S3 store does not sweep unfinished uploads: {answer.status}.")
        return body.decode(errors="replace")
