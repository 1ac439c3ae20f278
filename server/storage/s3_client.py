"""The library's client of an S3-compatible store, and its errors turned into ours."""

import contextlib
import re
from collections.abc import Iterator
from datetime import timedelta

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from server.core.encodings import check_sha256
from server.storage.errors import StorageError
from server.storage.s3_place import S3Place

_STATUS = re.compile(r"status code: ([0-9]{3}[A-Za-z ]*)")


def open_store(place: S3Place, patience: timedelta, request: timedelta, retries: int) -> S3Store:
    """Return a client that bears silence for `patience`, and that long repeats what failed.

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
        # A provider keeps the secret out of what the library prints of the store, and what AWS_*
        # variables may say of other keys out of ours.
        credential_provider=None if place.key is None else place.credential,
    )


def blob_key(sha256: str) -> str:
    """Return the key of a blob below the prefix; raises FormatError for what is no sha256."""
    check_sha256(sha256)
    return f"{sha256[:2]}/{sha256}"


@contextlib.contextmanager
def telling(what: str) -> Iterator[None]:
    """Turn the library's errors into one sentence; theirs hold pages, and requests with them."""
    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise StorageError(
            f"the S3 store refuses to {what}: look at key, secret and the key's rights."
        ) from error
    except FileNotFoundError as error:
        raise StorageError(f"the S3 store does not {what}: it is not there.") from error
    except (BaseError, OSError, ValueError) as error:
        status = _STATUS.search(str(error))
        reason = status[1].strip() if status else "it does not answer, or not to the end"
        raise StorageError(f"the S3 store does not {what}: {reason}.") from error
