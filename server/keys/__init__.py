"""The key process: checks requests by the publisher's rules, signs, and records what it signed.

The publisher sends requests over a Unix socket; the answer is a signature or a refusal. `service`
answers, `signing_policy` decides, and `record` keeps what was signed in a folder that no publisher
can write to. `log_record` decides and keeps for the log. Keys come from files, systemd or a token
(`sources`, `token`). Source: docs/adr/0059.
"""
