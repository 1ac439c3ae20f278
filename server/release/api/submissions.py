"""Submissions: signed metadata handed in, and what has become of it."""

from typing import Annotated, Literal

import msgspec

from server.core.encodings import decode_base64
from server.release.api.operation import PREFIX, Call, Operation, Reply
from server.release.api.pagination import Page, PageQuery, decode_cursor, make_page
from server.release.people.permissions import Permission
from server.release.submissions.state import SubmissionState
from server.release.submissions.submissions import MAX_WAIT

LIMIT = 16 * 1_048_576
"""Octets of a submission's body: role files of 12 MB in all. What is bigger goes in several."""


class NewSubmission(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bundle of FORMATS.md section 6, without the blobs, which are here already."""

    bundle: Annotated[str, msgspec.Meta(description="The octets of `bundle.json` in base64.")]
    metadata: Annotated[
        dict[str, str],
        msgspec.Meta(max_length=1000, description="By file name, the octets in base64."),
    ]


class SubmissionView(msgspec.Struct, frozen=True):
    """One submission."""

    id: str
    status: Literal["waiting", "published", "refused"]
    reason: Annotated[str, msgspec.Meta(description="Why it was refused; empty else.")]
    snapshot: Annotated[int, msgspec.Meta(description="The version that shows it; 0 else.")]
    finished: Annotated[int, msgspec.Meta(description="Epoch seconds; 0 while it waits.")]


class WaitQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long to wait for the result."""

    wait: Annotated[int, msgspec.Meta(ge=0, le=MAX_WAIT, description="Seconds.")] = 0


async def submit(call: Call) -> Reply:
    """Take a bundle. It is published or refused soon: look at its Location, with `wait`.

    The same bundle again is the same submission, so this may be repeated.
    """
    metadata = {name: decode_base64(text) for name, text in call.body.metadata.items()}
    state = await call.services.submissions.submit(
        call.who, decode_base64(call.body.bundle), metadata
    )
    return Reply(_view(state), headers={"Location": f"{PREFIX}/submissions/{state.id}"})


async def get_submission(call: Call) -> Reply:
    """Tell what has become of a submission, at the latest after `wait` seconds."""
    state = await call.services.submissions.look(call.path["submission"], call.query.wait)
    return Reply(_view(state))


async def list_submissions(call: Call) -> Reply:
    """List submissions, whoever handed them in: what waits, then the newest first."""
    after = decode_cursor(call.query.cursor, str) or ""
    states = await call.services.submissions.list(str(after), call.query.limit + 1)
    return Reply(make_page(call, states, lambda state: state.key, _view))


def _view(state: SubmissionState) -> SubmissionView:
    return SubmissionView(state.id, state.status, state.reason, state.snapshot, state.finished_at)


OPERATIONS = (
    Operation(
        method="POST",
        path=f"{PREFIX}/submissions",
        permission=Permission.SUBMIT,
        summary="Hand in signed metadata",
        handler=submit,
        request=NewSubmission,
        response=SubmissionView,
        status=202,
        limit=LIMIT,
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/submissions",
        permission=Permission.READ,
        summary="Submissions",
        handler=list_submissions,
        query=PageQuery,
        response=Page[SubmissionView],
    ),
    Operation(
        method="GET",
        path=f"{PREFIX}/submissions/{{submission}}",
        permission=Permission.READ,
        summary="What has become of a submission",
        handler=get_submission,
        query=WaitQuery,
        response=SubmissionView,
    ),
)
