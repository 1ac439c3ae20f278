"""Logins at an identity provider: OpenID Connect, for existing accounts.

The provider says who a person is; rights are this server's alone. `code_flow` leads a browser to
the provider and back, `provider` finds its keys and verifies what it said.
"""
