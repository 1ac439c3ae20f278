"""The console: pages for release engineers, on the control plane's socket, without JavaScript.

Pages only call operations of the API, as the signed-in account, so that rights, preconditions and
the audit log are the same (ADR 41).

A `page` declares its path and access rules, and calls the API's operations; `site` answers requests
with it. `sign_in`, `overview` with alarms and keys, `channels` with rollout commands and their
`timeline`, `changes`, `releases` with downloads and content, `accounts` with the audit log are the
pages; `forms` decodes what they send, `texts` and `rendering` make HTML of the answer.
"""
