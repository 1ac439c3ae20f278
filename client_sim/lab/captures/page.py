"""An audit as a self-contained page: no script, no style sheet, no image."""

from pathlib import Path
from typing import Final

from client_sim.lab.captures.audit import Audit, describe_outcome
from client_sim.lab.captures.showing import list_counts, printable, show_bits, show_name
from client_sim.lab.report.dump import dump
from client_sim.pages.origin import Origin
from client_sim.pages.page import make_environment

_TEMPLATE: Final = make_environment(Path(__file__).parent / "templates").get_template("audit.html")


def render_page(audit: Audit, origin: Origin, *, personal: bool) -> str:
    """Render a whole self-contained page."""
    return _TEMPLATE.render(
        audit=audit,
        origin=origin,
        outcome=describe_outcome(audit),
        personal=personal,
        counts=tuple(list_counts(audit, personal=personal)),
        name=lambda name: show_name(name, personal=personal),
        bits=show_bits,
        printable=printable,
        dump=dump,
    )
