"""Whether what people uploaded and may still submit is there."""

from collections.abc import Iterator

from server.core.errors import HeningError
from server.publisher.checks.finding import Finding, summarise
from server.publisher.checks.site import Site


def check_uploads(site: Site) -> Iterator[Finding]:
    """Look at the blobs of finished uploads that have not expired."""
    finished = [
        upload
        for upload in site.uploads
        if upload.finished_at is not None and upload.expires_at > site.now.timestamp()
    ]
    errors = []
    try:
        lengths = site.blobs.lengths({upload.sha256 for upload in finished})
        errors = [
            f"upload {upload.id} of {upload.account} is finished, and its blob"
            f" {upload.sha256[:16]} is not there or has no record: have it uploaded again."
            for upload in finished
            if {lengths.get(upload.sha256), site.records.get(upload.sha256)} != {upload.length}
        ]
    except (HeningError, OSError) as error:
        errors = [str(error)]
    yield from summarise("uploads", f"{len(finished)} finished ones are there", errors)
