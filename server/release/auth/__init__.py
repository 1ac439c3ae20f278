"""Accounts, tokens and sessions of the control plane, their rights, and the audit log."""
