"""The console: pages for release engineers, on the control plane's port, without JavaScript.

Pages call only operations of the API, as the signed-in account, so rights, preconditions and the
audit log are the same (ADR 41).

`page` declares pages and calls the API's operations for them. `site` routes requests to pages.
`forms` decodes forms, `texts` and `rendering` make HTML. The pages are in `sign_in`, `overview`
with alarms and keys, `channels` with rollout commands and their `timeline`, `changes`, `releases`
with downloads and content, and `accounts` with sessions and the audit log.
"""
