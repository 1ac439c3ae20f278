"""The console: pages for release engineers, on the control plane's socket, without JavaScript.

A page does nothing by itself. It calls operations of the API as the one who is signed in, so that
rights, preconditions and the audit log are the same (ADR 41).
"""
