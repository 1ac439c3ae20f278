"""The control plane: uploads, submissions, rollouts, accounts, webhooks and their HTTP API.

Engineers and their programs come in over HTTP or by command; changes of channels, accounts and
webhooks go out, each with its entry in the audit log.

    api/          operations, and the sockets on which they are called
    auth/         accounts, tokens, sessions, rights, the audit log
    federation/   logins at an identity provider
    submissions/  signed metadata from the signer
    uploads/      blobs that arrive in parts
    rollouts/     commands for channels, approvals, schedules
    webhooks/     events, sent until they are accepted

`errors` are the errors of all of them, `checks` compares rows with the audit log, `restored` is
what follows a restored database.
"""
