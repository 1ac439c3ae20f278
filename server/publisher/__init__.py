"""Online roles: log, stage, audit, commit, refresh."""
