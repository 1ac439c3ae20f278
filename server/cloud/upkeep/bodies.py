"""Bodies that no row names, and what uploads left unfinished.

A crash between a body and its row, or a refusal after the body came, leaves a body too many. It is
removed once it is so old that no request can be about to name it: names are drawn, and each is of
one request.
"""

from sqlalchemy import select, update

from server.cloud.copying.named import find_named
from server.cloud.law.journal import forget_records, load_records
from server.cloud.settings import DAY
from server.cloud.storage.lease import may_remove_bodies
from server.cloud.storage.models import Site
from server.cloud.upkeep.work import Work

LOOK_SECONDS = DAY
"""Between two looks at all bodies, which a store in the network counts and charges."""


async def sweep_uploads(work: Work) -> int:
    """Remove what uploads left unfinished; returns how many."""
    return await work.bodies.sweep(work.now - work.retention.leftovers)


async def remove_bodies(work: Work) -> int:
    """Remove old bodies that no row names, and old records of erasures, once a day."""
    async with work.database() as db:
        if (await db.scalar(select(Site.looked_at)) or 0) > work.now - LOOK_SECONDS:
            return 0
    limit = work.now - work.retention.leftovers
    count = await forget_records(work.bodies, await load_records(work.bodies), work.now)
    async for page in work.bodies.pages():
        old = [body.name for body in page if body.time < limit]
        async with work.writing() as db:
            named = await find_named(db, old)
            may_remove = await may_remove_bodies(db)
        for name in set(old) - named.keys() if may_remove else ():
            await work.bodies.remove(name)
            count += 1
    async with work.writing() as db:
        await db.execute(update(Site).values(looked_at=work.now))
    return count
