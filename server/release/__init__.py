"""The control plane: uploads, submissions, rollouts, accounts, webhooks and their HTTP API.

It takes requests from engineers and their programs, over HTTP or from a command. It changes
channels, accounts and webhooks, and records each change in the audit log.

    api/          operations, and the listeners that serve them over HTTP
    auth/         accounts, tokens, sessions, rights, the audit log
    federation/   logins at an identity provider
    submissions/  signed metadata from the signer
    uploads/      blobs that arrive in parts
    rollouts/     commands for channels, approvals, schedules
    webhooks/     events, sent until the receiver accepts them

`errors` has the errors of all packages, `checks` compares rows with the audit log, and `restored`
ends outdated changes and credentials after a database restore.
"""
