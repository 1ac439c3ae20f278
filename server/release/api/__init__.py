"""The control plane over HTTP: typed operations, and the OpenAPI description made from them.

An operation is declared once, as `operation.Operation`. Routes, permission checks, the OpenAPI
description and the console use this declaration. Each resource is a module, and `catalogue` lists
them: `accounts` with tokens, `audit_log`, `changes`, `channels`, `content`, `models` with
downloads, `status`, `submissions`, `uploads`, `webhooks`.

A request passes `listener`, `accept_queue`, which finds its caller, and `app` with `decode`,
`rates`, `idempotency`, `pagination` and `problems`. `openapi` describes the operations. Halts run
on an event loop of their own, so that they work while everything else is busy: `urgent`,
`urgent_listener`, `urgent_priority`. `serving` starts all of it. Read `operation` first, then
`channels`.
"""

PREFIX = "/api/v1"
"""The prefix of every path of the API."""
