"""The console: pages for release engineers, on the control plane's socket, without JavaScript.

Pages only call operations of the API, as the signed-in account, so that rights, preconditions and
the audit log are the same (ADR 41).

A `page` declares its path and access rules; `site` answers requests with it. `sign_in`,
`overview`, `channels` with `rollout_commands`, `changes`, `releases` with `downloads`,
`content`, `keys`, `accounts`, `audit_log` are the pages, made by `bootstrap`; `forms`
decodes what they send, `operations_client` calls the API's operations, `texts` and `rendering` make
HTML of the answer.
"""
