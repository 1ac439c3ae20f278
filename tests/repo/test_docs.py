"""The commands, settings and files that the documents name exist."""

import re
import shlex
from pathlib import Path

import click
import msgspec

from docs.commands import write_page
from server.settings import Settings
from tests.cases import case
from tests.programs import PROGRAMS, find, walk

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
COMMANDS = {program: dict(walk(cli)) for program, cli in PROGRAMS.items()}
REFERENCE = ROOT / "docs" / "reference"


def commands_in(text):
    """Yield every command line of this project in a code block or between backquotes."""
    quoted = re.findall(r"`(hening-(?:server|signer|device) [^`]+)`", text)
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    plain = [line.strip().removeprefix("$ ").removeprefix(".venv/bin/") for line in lines]
    yield from (line for line in [*quoted, *plain] if re.match(r"hening-\w+ ", line))


QUOTED = [(page, line) for page in PAGES for line in commands_in(page.read_text(encoding="utf-8"))]


def test_shown_commands_exist():
    """A command in the documents names an existing group, command and long options."""
    assert len(QUOTED) > 20
    for page, line in QUOTED:
        with case(page.name, line):
            check_command(line)


def check_command(line):
    """Check group, command and options of a line."""
    if "COMMAND" in line:
        assert line.split()[0] in PROGRAMS
        return
    program, *words = shlex.split(line.replace("…", ""))
    command, names = PROGRAMS[program], ()
    while words and isinstance(command, click.Group) and not words[0].startswith("--"):
        name = words.pop(0)
        if "|" in name or "," in name:
            assert set(re.split(r"[|,]", name)) - {""} <= command.commands.keys()
            return
        assert name in command.commands
        names = (*names, name)
        command = COMMANDS[program][names]
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    used = {word.split("=")[0] for word in words if word.startswith("--")}
    assert used <= known


def anchors(page):
    """Return the fragments of a page's headings, as GitHub and MkDocs make them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = set()
    for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower())
        found.add(words.strip().replace(" ", "-"))
    return found


def test_links():
    """Every relative link leads to an existing file or folder, and to an existing heading."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for target, fragment in re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]*))?\)", text):
            with case(page, target, fragment):
                file = page.parent / target if target else page
                assert file.exists()
                assert not fragment or file.suffix != ".md" or fragment in anchors(file)


def test_referenced_pages_exist():
    """A page that a message, comment or unit refers to exists."""
    folders = ("server", "signer", "client_sim", "hening", "deploy", "demo", "mutation", "soak")
    named = {
        (path, name)
        for folder in (*folders, "tests")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".service", ".socket", ".conf", ".yaml", ".toml", ".html", ".yml"}
        and "node_modules" not in path.parts
        for name in re.findall(r"\bdocs/[\w/.-]*\w\.md\b", path.read_text(encoding="utf-8"))
    }
    assert len(named) > 20
    assert {each for each in named if not (ROOT / each[1]).exists()} == set()


def test_generated_pages_are_current():
    """The committed pages equal what `make reference` generates."""
    for program in PROGRAMS:
        page = (REFERENCE / f"{program}.md").read_text(encoding="utf-8")
        assert page == write_page(program), "run `make reference`"


def test_table_of_settings():
    """Keys, variables, options and defaults in the reference equal the code's."""
    rows = re.findall(
        r"^\| `(\w+)` \| `HENING_(\w+)` \| (`--[\w-]+`|none) \| (\S+) \|",
        (REFERENCE / "settings.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    settings = Settings()
    options = {name for each in find("hening-server", "run").params for name in each.opts}
    expected = []
    for name in Settings.__struct_fields__:
        value = getattr(settings, name)
        if isinstance(value, msgspec.Struct):  # a table of the file, in a table of the dialects
            continue
        spelled = str(value).lower() if isinstance(value, bool) else str(value)
        shown = {"": "empty", "None": "none"}.get(spelled, f"`{spelled}`")
        option = f"--{name.replace('_', '-')}"
        expected.append((name, name.upper(), f"`{option}`" if option in options else "none", shown))
    assert rows == expected


CUSTODIANS = (ROOT / "docs" / "THREAT_MODEL.md").read_text("utf-8").split("## By custodian")[1]
ROWS = [row for row in CUSTODIANS.split("\n## ")[0].splitlines() if row.startswith("| ")][2:]


def test_threat_model_names_existing_tests():
    """Each row of the table "By custodian" names existing tests of the attacks or the flows."""
    for row in ROWS:
        with case(row):
            named = re.findall(r"`(?:(\w+\.py)::)?(_?\w+)`", row.split("|")[6])
            assert named
            for file, name in named:
                paths = (ROOT / "tests").glob(f"[af]*/{file or 'test_o*_thefts.py'}")
                texts = [path.read_text(encoding="utf-8") for path in paths]
                assert any(f"\ndef {name}(" in text for text in texts), name


def test_index_of_decisions():
    """docs/adr/README.md lists each record once."""
    folder = ROOT / "docs" / "adr"
    index = (folder / "README.md").read_text(encoding="utf-8")
    records = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert sorted(re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", index)) == records
    assert [name[:4] for name in records] == [f"{n:04}" for n in range(1, len(records) + 1)]


def test_readme_shows_last_line_of_make_test():
    """The README shows the last line of `make test`: nothing failed, skipped or deselected."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = readme.split("$ make test\n")[1].split("```")[0]
    assert re.search(
        r"^=+ \d{4,} passed in [\d.]+s \(\d:\d\d:\d\d\) =+$", block.strip(), re.MULTILINE
    )
    assert not re.search(r"failed|skipped|error|not collected", block)


ADVICE = sorted(
    {
        (path.relative_to(ROOT), words)
        for folder in ("signer", "server", "client_sim")
        for path in (ROOT / folder).rglob("*.py")
        for words in re.findall(
            r"`((?:keys|ceremony|release|log|ota|rollout|lab) [a-z]+)", path.read_text("utf-8")
        )
    }
)


def test_commands_in_error_messages_exist():
    """A command that an error message names exists in one of the programs."""
    for path, words in ADVICE:
        with case(path, words):
            assert any(tuple(words.split()) in commands for commands in COMMANDS.values()), path
