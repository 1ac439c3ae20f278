"""The whole story on one machine: keys, releases, phones, attacks, and the privacy verdict."""
