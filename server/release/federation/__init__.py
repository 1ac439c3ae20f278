"""Logins at an identity provider: OpenID Connect, for existing accounts."""
