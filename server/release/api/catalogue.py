"""All operations of the API: each resource is a module, listed here and nowhere else."""

import asyncio
import functools
from importlib.metadata import version
from typing import Any

import msgspec

from server.release.api import status, webhooks
from server.release.api.openapi import make_page
from server.release.api.operation import PREFIX, Call, Operation, Reply

RESOURCES = (status, webhooks)


async def get_openapi(_call: Call) -> Reply:
    """Give this page."""
    return Reply(await asyncio.to_thread(schema_octets))


OPERATIONS: tuple[Operation, ...] = (
    *(operation for resource in RESOURCES for operation in resource.OPERATIONS),
    Operation(
        method="GET",
        path=f"{PREFIX}/openapi.json",
        permission=None,
        public=True,
        summary="The OpenAPI page of this API",
        handler=get_openapi,
        response=dict[str, Any],
    ),
)
"""Every operation, in the order in which the schema shows them."""


@functools.cache
def schema_octets() -> bytes:
    """Return the OpenAPI page of this version."""
    return msgspec.json.encode(make_page(OPERATIONS, version("hening")))
