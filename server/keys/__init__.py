"""The key process: signs what its own copy of the publisher's rules accepts, and records it.

The publisher sends what it would like to have signed, over a Unix socket; a signature or a refusal
comes back. `service` answers, `judgement` decides by this process's own copy of the publisher's
rules, `record` keeps what was signed in a folder that no publisher can write to; `log_record` does
both for the log. Keys come from files, systemd or a token (`sources`, `token`). Source:
docs/adr/0059.
"""
