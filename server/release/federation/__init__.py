"""Logins at an identity provider: OpenID Connect, for existing accounts.

The provider authenticates a user; the user's rights are those of the account on this server.
`code_flow` redirects a browser to the provider and handles its return. `provider` fetches the
provider's keys and verifies ID tokens.
"""
