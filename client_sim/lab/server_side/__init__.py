"""The instrument pointed at a server: planted requests, and a search of what it kept of them."""
