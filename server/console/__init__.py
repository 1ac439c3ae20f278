"""The console: pages for release engineers, on the control plane's socket, without JavaScript.

Pages only call operations of the API, as the signed-in account, so that rights, preconditions and
the audit log are the same (ADR 41).
"""
