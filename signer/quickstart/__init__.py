"""From an empty folder to keys, a signed root and a server state, for one person."""
