"""Links to the owner's page: a device that is logged in asks for one, and it opens ten minutes."""

import hashlib

import msgspec
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from server.cloud.accounts.owners import lock_owner
from server.cloud.door import Call
from server.cloud.errors import CloudError
from server.cloud.storage.law_models import OwnerLink

SECONDS = 600


class NewLink(msgspec.Struct):
    """A link, which opens until `expires_at`; whoever has it sees and may do what the page can."""

    url: str
    expires_at: int


async def make_link(call: Call) -> NewLink:
    """Make a link for the account that asks."""
    services = call.services
    token, expires_at = services.draw(32), services.now() + SECONDS
    async with services.database.begin() as db:
        await lock_owner(db, call.account)
        new = {"token_sha256": _hash(token), "account": call.account, "expires_at": expires_at}
        await db.execute(insert(OwnerLink).values(new))
    settings = services.settings
    scheme = "https" if settings.tls_cert or settings.behind_proxy else "http"
    origin = settings.public_url or f"{scheme}://{call.host}"
    return NewLink(f"{origin}/owner/{token}", expires_at)


async def find_linked(db: AsyncSession, token: str, now: int) -> str:
    """Return the account of a link; raises CloudError for one that does not open any more."""
    query = select(OwnerLink.account).where(
        OwnerLink.token_sha256 == _hash(token), OwnerLink.expires_at > now
    )
    account: str | None = await db.scalar(query)
    if account is None:
        raise CloudError(
            404, "link_expired", "this link does not open any more; get a new one on your device."
        )
    return account


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
