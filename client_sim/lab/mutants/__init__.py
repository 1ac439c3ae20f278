"""Clients that leak, to try the judges on; they share nothing with a judge."""
