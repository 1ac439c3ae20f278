"""The audit log: entries, the head, and the export."""

from typing import Annotated, Any

import msgspec
from aiohttp import web

from server.release.api.operation import Call, Operations, Reply
from server.release.api.pagination import Page, PageQuery, decode_cursor, make_page
from server.release.auth.audit_log import describe
from server.release.auth.audit_log_query import (
    AuditLogFilter,
    export_audit_log,
    load_head,
    query_audit_log,
)
from server.release.auth.principal import Permission

OPERATIONS = Operations(permission=Permission.AUDIT)

JSON_LINES = "application/jsonl"
Text = Annotated[str, msgspec.Meta(max_length=200)]
Moment = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1, description="Epoch seconds, inclusive.")]


class AuditLogQuery(PageQuery, frozen=True):
    """The page and the filter of entries; an absent member matches all."""

    actor: Text = ""
    """An account, with all its tokens; `ACCOUNT/TOKENID`; or `cli:USER`."""
    action: Text = ""
    """An action, or a group: the part of an action before the dot."""
    subject: Text = ""
    since: Moment | None = None
    until: Moment | None = None


class Entry(msgspec.Struct, frozen=True):
    """One entry, in the form of docs/FORMATS.md section 11."""

    index: int
    at: Annotated[int, msgspec.Meta(description="Epoch seconds.")]
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]
    sha256: str


class Head(msgspec.Struct, frozen=True):
    """The head of the audit log, for auditors to keep and to compare with later."""

    length: int
    sha256: str


@OPERATIONS.on("GET /trail", "List audit log entries", query=AuditLogQuery, response=Page[Entry])
async def list_trail(call: Call) -> Reply:
    """List entries, newest first."""
    query = call.query
    filters = AuditLogFilter(query.actor, query.action, query.subject, query.since, query.until)
    async with call.services.sessions() as session:
        rows = await query_audit_log(
            session, filters, before=decode_cursor(query.cursor, int), limit=query.limit + 1
        )
    return Reply(make_page(call, rows, lambda row: row.index, lambda row: Entry(**describe(row))))


@OPERATIONS.on("GET /trail/head", "Show the head of the audit log", response=Head)
async def get_trail_head(call: Call) -> Reply:
    """Return the index and hash of the last entry; 0 and zeros if there is none."""
    async with call.services.sessions() as session:
        found = await load_head(session)
    return Reply(Head(found.length, found.sha256))


@OPERATIONS.on("GET /trail/export", "Export the audit log", raw=True, response_type=JSON_LINES)
async def export_whole_trail(call: Call) -> web.StreamResponse:
    """Return all entries, each as a line of canonical JSON, oldest first."""
    response = web.StreamResponse(headers={"Content-Type": JSON_LINES})
    await response.prepare(call.request)
    async for lines in export_audit_log(call.services.sessions):
        await response.write(lines)
    await response.write_eof()
    return response
