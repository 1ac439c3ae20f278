"""People who log in at an identity provider: OpenID Connect, for accounts that are here already."""
