"""Submissions of signed metadata, and their results."""

import contextlib
from typing import Annotated

import msgspec

from server.core.bundle import MAX_BUNDLE
from server.core.errors import HeningError
from server.release.api import PREFIX
from server.release.api.decode import check_media_type, stream_body
from server.release.api.operation import Call, Operations, Reply
from server.release.api.pagination import Page, PageQuery, decode_cursor, make_page
from server.release.auth.principal import Permission
from server.release.submissions.submissions import MAX_WAIT, SubmissionView

OPERATIONS = Operations(permission=Permission.READ)

MEDIA_TYPE = "application/vnd.hening.submission"


class WaitQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long to wait for the result."""

    wait: Annotated[int, msgspec.Meta(ge=0, le=MAX_WAIT, description="Seconds.")] = 0


@OPERATIONS.on(
    "PUT /submissions/{submission}",
    "Submit signed metadata",
    permission=Permission.SUBMIT,
    response=SubmissionView,
    status=202,
    errors=(408, 409, 413, 415, 507),
    raw=True,
    content_type=MEDIA_TYPE,
)
async def submit(call: Call) -> Reply:
    """Submit a bundle of FORMATS.md section 6. Its blobs have to be uploaded first.

    The id is the sha256 of `bundle.json`. To get the result, read the Location with `wait`. The
    request may be repeated: the same bundle is the same submission.
    """
    limit = MAX_BUNDLE + call.services.settings.submission_limit
    check_media_type(call.request, MEDIA_TYPE)
    pieces = stream_body(call.request, limit)
    try:
        state = await call.services.submissions.submit(call.caller, call.path["submission"], pieces)
    except HeningError:
        # Read the rest: a client that is still sending would not see the answer.
        with contextlib.suppress(HeningError):
            async for _ in pieces:
                pass
        raise
    return Reply(state, headers={"Location": f"{PREFIX}/submissions/{state.id}"})


@OPERATIONS.on(
    "GET /submissions", "List submissions", query=PageQuery, response=Page[SubmissionView]
)
async def list_submissions(call: Call) -> Reply:
    """List submissions: first the waiting ones, then the others, newest first.

    A caller with all codenames sees those of all accounts, other callers only their own.
    """
    after = decode_cursor(call.query.cursor, str) or ""
    states = await call.services.submissions.list(call.caller, after, call.query.limit + 1)
    return Reply(make_page(call, states, lambda state: state.key, lambda state: state))


@OPERATIONS.on(
    "GET /submissions/{submission}", "Show a submission", query=WaitQuery, response=SubmissionView
)
async def get_submission(call: Call) -> Reply:
    """Return the state of a submission, after waiting up to `wait` seconds for its result."""
    return Reply(await call.services.submissions.get(call.path["submission"], call.query.wait))
