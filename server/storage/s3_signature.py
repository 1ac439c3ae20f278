"""Requests to S3 that our library does not know, signed with AWS Signature Version 4. Pure.

Source: "Authenticating Requests: Using the Authorization Header" of the Amazon S3 API reference.
Only requests without a body.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class S3Key:
    """An access key; its secret does not show where the object is printed."""

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
