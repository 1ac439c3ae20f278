"""All operations of the API: each resource is a module, listed here and nowhere else."""

import asyncio
from importlib.metadata import version
from typing import Any

import msgspec

from server.release.api import (
    accounts,
    blobs,
    changes,
    channels,
    models,
    status,
    submissions,
    tokens,
    trail,
    uploads,
    webhooks,
)
from server.release.api.address import PREFIX
from server.release.api.openapi import make_page
from server.release.api.operation import Call, Operation, Reply

RESOURCES = (
    status,
    uploads,
    blobs,
    submissions,
    models,
    channels,
    changes,
    accounts,
    tokens,
    trail,
    webhooks,
)


def with_schema(operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """Return `operations` and one more that gives the OpenAPI page of them all."""
    octets = b""

    async def get_openapi(_call: Call) -> Reply:
        """Give this page."""
        nonlocal octets
        octets = octets or await asyncio.to_thread(make)
        return Reply(octets)

    described = (
        *operations,
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

    def make() -> bytes:
        return msgspec.json.encode(make_page(described, version("hening")))

    return described


OPERATIONS = with_schema(
    tuple(operation for resource in RESOURCES for operation in resource.OPERATIONS)
)
"""Every operation, in the order in which the schema shows them."""
