"""One look at a deployment: ask as an app does, and fetch and verify where that is wanted."""

from pathlib import Path
from typing import Any

from client_sim.compat import custota, graphene, lineage, templates
from client_sim.compat.asking import AppPhone, Offer, Site
from client_sim.compat.errors import DialectError
from client_sim.compat.fetching import fetch, verify
from client_sim.engine.signatures import load_certificate_key

_GRAPHENE = ("graphene", "calyx")


def look(
    site: Site, dialect: str, base: str, phone: AppPhone, pem: bytes | None, target: Path | None
) -> dict[str, Any]:
    """Return the offer, and what was fetched, as JSON has it.

    Raises DialectError for what the app refuses. `pem` is the certificate that the phone trusts.
    """
    offer = ask(site, dialect, base, phone, pem)
    fetched = ""
    if offer is not None and target is not None:
        offer = fetch(site, offer, target, needs_206=dialect not in _GRAPHENE)
        verify(offer, target, None if pem is None else load_certificate_key(pem))
        if dialect in _GRAPHENE:
            graphene.check_package(target, offer, phone)
        if dialect == "lineage2" and offer.parts is not None:
            lineage.stream_2(site, offer)
        fetched = target.name
    return {
        "dialect": dialect,
        "fetched": fetched,
        "offer": None if offer is None else _show(offer),
    }


def ask(site: Site, dialect: str, base: str, phone: AppPhone, pem: bytes | None) -> Offer | None:
    """Return what the app of `dialect` would offer."""
    match dialect:
        case "lineage1":
            return lineage.ask_1(site, base, phone)
        case "lineage2":
            return lineage.ask_2(site, base, phone)
        case "graphene" | "calyx":
            return graphene.ask(site, base, phone, dialect)
        case "custota" if pem is not None:
            return custota.ask(site, base, phone, load_certificate_key(pem))
        case "crdroid":
            return templates.ask_crdroid(site, base, phone)
        case "pixelexperience":
            return templates.ask_pe(site, base, phone)
        case _:
            raise DialectError(f"{dialect} cannot be asked so: Custota needs a certificate.")


def _show(offer: Offer) -> dict[str, Any]:
    fallback = offer.fallback
    return {
        "datetime": offer.datetime,
        "fallback": "" if fallback is None else fallback.url,
        "md5": offer.md5,
        "name": offer.name,
        "sha256": offer.sha256,
        "size": offer.size,
        "url": offer.url,
        "version": offer.version,
    }
