"""Makes the console from settings: its address, its login, its pages."""

from pathlib import Path

from server.console import (
    accounts,
    audit_log,
    changes,
    channels,
    content,
    downloads,
    keys,
    releases,
    rollout_commands,
)
from server.console.overview import Overview, ProcessState
from server.console.page import find_address
from server.console.rendering import Pages
from server.console.sign_in import Cookies, Flow, SignIn
from server.console.site import Console
from server.release.api.listener import Answering
from server.release.api.serving import Shared, Site
from server.release.federation.code_flow import load_client_secret
from server.settings import Settings


def open_console(settings: Settings, process: ProcessState) -> Site:
    """Return the console for the API's socket. Reads templates and the client's secret.

    Raises FormatError where the settings lack its address, TrustError where other users can read
    the secret.
    """
    address = find_address(settings)
    templates = Pages()
    file = settings.oidc_client_secret_file
    secret = load_client_secret(Path(file)) if file else ""

    def site(shared: Shared) -> Answering:
        cookies = Cookies(is_secure=address.is_secure)
        flow = _make_flow(shared, secret)
        sign_in = SignIn(cookies, shared.rates, flow, settings.oidc_issuer)
        overview = Overview(process)
        pages = (
            *sign_in.pages,
            *overview.pages,
            *channels.PAGES,
            *rollout_commands.PAGES,
            *changes.PAGES,
            *releases.PAGES,
            *downloads.PAGES,
            *content.PAGES,
            *keys.PAGES,
            *accounts.PAGES,
            *audit_log.PAGES,
        )
        return Console(shared, pages, templates, address, cookies)

    return site


def _make_flow(shared: Shared, secret: str) -> Flow | None:
    provider = shared.provider
    if provider is None:
        return None
    from server.release.federation.code_flow import CodeFlow  # noqa: PLC0415 - as in serving.py

    return lambda redirect_uri: CodeFlow(provider, redirect_uri, secret)
