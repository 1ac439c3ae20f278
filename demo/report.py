"""The report of the story, as JSON and as a self-contained HTML page."""

import json
from pathlib import Path

from client_sim.lab.programme.result import Report
from client_sim.lab.report.html.page import STYLE, render_fragment
from client_sim.lab.report.json import report_to_dict
from client_sim.lab.report.presentable import present
from client_sim.lab.report.redaction import NoRedaction
from client_sim.pages.page import Origin, make_environment
from demo.content import OWNERS
from demo.story import Story, to_dict
from fixtures.catalogue import CODENAMES

_TEMPLATE = make_environment(Path(__file__).parent / "templates").get_template("report.html")


def write_report(
    folder: Path, story: Story, sentences: list[str], seconds: float, origin: Origin
) -> None:
    """Write `report.json` and `report.html`."""
    facts = to_dict(story)
    # Nothing is redacted: the owners are fictional, and the report shows what phones reveal.
    examined = [present(Report(result), NoRedaction()) for result in story.results.values()]
    verdicts = [report_to_dict(presentable) for presentable in examined]
    data = {**facts, "seconds": round(seconds, 1), "story": sentences, "privacy": verdicts}
    (folder / "report.json").write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
    page = _TEMPLATE.render(
        origin=origin,
        ok=story.is_good,
        outcome=_outcome(story),
        phones=facts["phones"],
        models=CODENAMES,
        seconds=round(seconds, 1),
        story=sentences,
        attacks=facts["attacks"],
        privacy=[render_fragment(presentable) for presentable in examined],
        style=STYLE,
        poll=story.poll,
        content=story.content,
        towns=[owner.town for owner in OWNERS],
    )
    (folder / "report.html").write_text(page, encoding="utf-8")


def _outcome(story: Story) -> str:
    failed = [question for question, _, holds in story.checks if not holds]
    if failed:
        return f"{len(failed)} of {len(story.checks)} questions got the wrong answer: {failed[0]}"
    return (
        f"All {len(story.checks)} questions got the right answer: good phones say nothing about"
        " their owners, the phone of 2014 is caught, and every attack is refused."
    )
