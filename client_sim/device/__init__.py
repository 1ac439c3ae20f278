"""One phone: what it ships with, what it trusts, what it asks and how it decides."""
