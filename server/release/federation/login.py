"""From an ID token to a principal: an account that an admin made, and whose subject they set."""

from server.release.errors import AuthenticationError
from server.release.federation.identity import LEEWAY_SECONDS, issued_at
from server.release.federation.provider import Provider
from server.release.people.accounts import account_codenames, find_by_subject
from server.release.people.permissions import ROLE_PERMISSIONS, Role
from server.release.people.principal import Principal
from server.storage.database import Sessions

LOGIN = "login"
"""What the trail has in place of a token's id."""


async def log_in(sessions: Sessions, provider: Provider, text: str) -> Principal:
    """Return who an ID token belongs to, with the rights that the account holds now.

    Nobody gets an account by logging in. Raises AuthenticationError with one sentence for a token
    that does not hold, a subject that nobody set, and an account that is disabled, or was after the
    token was made.
    """
    subject = await provider.verify(text)
    async with sessions() as session:
        account = await find_by_subject(session, subject)
    # The provider's clock may be ahead: what it made just before must not count as made after.
    ended = None if account is None else account.logins_from
    is_over = ended is not None and issued_at(text) <= ended + LEEWAY_SECONDS
    if account is None or account.disabled_at is not None or is_over:
        raise AuthenticationError("this needs a valid token: ask an admin for one.")
    role = Role(account.role)
    return Principal(account.name, role, ROLE_PERMISSIONS[role], account_codenames(account), LOGIN)
