"""The control plane over HTTP: operations with types, from which the OpenAPI page is made.

An operation is declared once (`operation`); routes, rights, the OpenAPI page and the console follow
from its declaration. `catalogue` lists all; each resource is a module: `accounts` with
tokens, `audit_log`, `changes`, `channels`, `content`, `models` with downloads, `status`,
`submissions`, `uploads`, `webhooks`.

From socket to answer: `listener` and `accept_queue`, then `app` with `decode`, `rates`,
`idempotency`, `pagination`, `problems`; `openapi` describes it. A halt comes
through on a loop of its own when all else is busy: `urgent`, `urgent_listener`, `urgent_priority`.
`serving` puts it together. Read `operation`, then `channels`.
"""

PREFIX = "/api/v1"
"""Of every path of the API."""
