"""Multipart uploads that a crash cut off: S3 keeps their parts, unseen and paid for, until told.

Source: ListMultipartUploads and AbortMultipartUpload of the Amazon S3 API reference.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit
from xml.sax.saxutils import unescape

from server.storage.errors import StorageError
from server.storage.s3_signature import S3Key, sign_request

SECONDS = 30.0  # how long one request may take
LIMIT = 8 * 1024 * 1024  # octets of an answer: a thousand uploads take under one
_UPLOAD = re.compile(r"<Upload>(.*?)</Upload>", re.DOTALL)
_FIELDS = [re.compile(rf"<{name}>([^<]*)</{name}>") for name in ("Key", "UploadId", "Initiated")]


@dataclass(frozen=True, slots=True)
class Upload:
    """One unfinished upload: its key, S3's name for it, and when it was begun."""

    key: str
    id: str
    begun: datetime


@dataclass(frozen=True, slots=True)
class S3Uploads:
    """The unfinished uploads below `prefix` of one bucket."""

    endpoint: str
    bucket: str
    prefix: str
    region: str
    key: S3Key
    clock: Callable[[], datetime]

    def abort(self, age: timedelta) -> int:
        """Abort every upload begun at least `age` ago and return how many; raises StorageError.

        One answer of S3 is looked at, which holds a thousand; the next time there are fewer.
        """
        old = [each for each in self.list() if self.clock() - each.begun >= age]
        for upload in old:
            self._ask("DELETE", f"/{self.bucket}/{upload.key}", {"uploadId": upload.id})
        return len(old)

    def list(self) -> list[Upload]:
        """Return the unfinished uploads, a thousand at most."""
        answer = self._ask("GET", f"/{self.bucket}", {"uploads": "", "prefix": self.prefix})
        found = []
        for entry in _UPLOAD.findall(answer):
            key, upload, begun = (field.search(entry) for field in _FIELDS)
            if key and upload and begun and key[1].startswith(self.prefix):
                time = datetime.fromisoformat(begun[1])
                found.append(Upload(unescape(key[1]), unescape(upload[1]), time))
        return found

    def _ask(self, method: str, path: str, query: Mapping[str, str]) -> str:
        address = urlsplit(self.endpoint)
        target, headers = sign_request(
            method, address.netloc, path, query, self.key, self.region, self.clock()
        )
        connect = HTTPSConnection if address.scheme == "https" else HTTPConnection
        connection = connect(address.netloc, timeout=SECONDS)
        try:
            connection.request(method, target, headers=headers)
            answer = connection.getresponse()
            body = answer.read(LIMIT)
        except (OSError, HTTPException) as error:
            raise StorageError("the S3 store does not answer: look at its endpoint.") from error
        finally:
            connection.close()
        # An upload that was aborted by somebody else meanwhile is gone, as it should be.
        if answer.status >= HTTPStatus.BAD_REQUEST and answer.status != HTTPStatus.NOT_FOUND:
            raise StorageError(
                f"the S3 store refuses to sweep unfinished uploads: {answer.status}."
            )
        return body.decode(errors="replace")
