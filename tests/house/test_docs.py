"""Every command line that the pages show is one that ethopose understands; every test they name is there."""

import re
from pathlib import Path

import pytest

from commands import parse

ROOT = Path(__file__).parents[2]


def command_lines(text: str) -> list[str]:
    """Lines of code blocks, and spans of code, that begin with `ethopose `; continued lines are joined."""
    joined = re.sub(r"\\\n\s*", "", text)
    blocks = re.findall(r"^(?: {4,}|\$ |)(?:\$ )?(ethopose [^\n`]+)$", joined, re.MULTILINE)
    spans = re.findall(r"`(ethopose [^`\n]+)`", joined)
    return [line.strip() for line in [*blocks, *spans]]


SPANS = re.compile(r"`([^`\n]+)`")

# what stands for a command, and what is asked without one
NO_COMMAND = {"ethopose COMMAND --help", "ethopose --version", "ethopose --help"}

SHOWN = [
    pytest.param(line, id=f"{page.name}: {line}")
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for line in dict.fromkeys(command_lines(page.read_text()))
    if line not in NO_COMMAND
]


@pytest.mark.parametrize("line", SHOWN)
def test_a_line_that_a_page_shows_can_be_run(line):
    parse(line)


OPTIONS = re.compile(r"(?<![\w-])(--?[a-z][\w-]*)")


def test_an_option_that_a_page_of_deeplabcut_names_is_one_of_ours():
    from typer.main import get_command

    from ethopose.cli.app import app

    known = {"--json", "--debug", "--log", "-q", "-v"}  # of every command
    for command in get_command(app).commands.values():
        known.update(name for each in command.params for name in (*each.opts, *each.secondary_opts))
    for page in ROOT.glob("docs/deeplabcut*.md"):
        named = {option for span in SPANS.findall(page.read_text()) for option in OPTIONS.findall(span)}
        assert named <= known, page.name


def test_every_function_and_option_of_deeplabcut_is_mapped_or_told_why_not():
    """The names are those of DeepLabCut 3.0.1, with the options of functions that are mapped."""
    text = "".join(page.read_text() for page in ROOT.glob("docs/deeplabcut*.md"))
    told = {word for span in SPANS.findall(text) for word in re.findall(r"\w+", span)}
    names = (Path(__file__).parent / "deeplabcut_functions.txt").read_text().split()
    assert len(names) > 300
    assert set(names) <= told


TESTS = re.compile(r"\btests/[\w/]+(?:\.py)?|\btest_\w+\.py")


def named_tests(text: str) -> list[Path]:
    """Tests and folders of them, by path or by name."""
    by_name = {path.name: path for path in ROOT.glob("tests/**/test_*.py")}
    return [by_name.get(name, ROOT / name) for name in TESTS.findall(text)]


def unshown(row: str) -> list[str]:
    """Of a row of the table of models: tests that are not there, and names that the others do not know."""
    _, models, verified = (cell.strip() for cell in row.strip("|").split(" | "))
    tests = named_tests(verified)
    known = "".join(path.read_text() for path in tests if path.is_file())
    lost = [path.name for path in tests if not path.is_file()]
    names = [name for name in SPANS.findall(models) if re.fullmatch(r"\w+_\w+", name)]
    return [*lost, *(name for name in names if name not in known), *([] if "def test_" in known else [row])]


def test_every_model_of_the_readme_s_table_is_shown_by_a_test():
    table = (ROOT / "README.md").read_text().partition("## What loads")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 10
    assert [lost for row in rows for lost in unshown(row)] == []


def test_a_row_that_no_test_shows_is_noticed():
    assert unshown("| a | `hrnet_w18` | said |") == ["hrnet_w18", "| a | `hrnet_w18` | said |"]
    assert unshown("| a | b | [x](tests/house/test_gone.py), test_docs.py |") == ["test_gone.py"]
    assert unshown("| a | `no_such_net` | tests/house/test_imports.py |") == ["no_such_net"]


@pytest.mark.parametrize("page", ["README.md", "docs/requirements.md"])
def test_a_test_that_a_page_names_is_there(page):
    assert [path for path in named_tests((ROOT / page).read_text()) if not path.exists()] == []


PAGE = """
Run `ethopose doctor` first, then

    ethopose predict a.mp4 -m mice      # with a remark
    $ ethopose info a.mp4 | less

```bash
ethopose predict a.mp4 b.mp4 \\
    -m mice --peak_threshold 0.3 -q
```
In Python: `ethopose.predict`.
"""


def test_lines_are_found_in_blocks_fences_and_spans():
    lines = command_lines(PAGE)
    assert [line.split()[1] for line in lines] == ["predict", "info", "predict", "doctor"]
    for line in lines:
        parse(line)


@pytest.mark.parametrize(
    "line",
    [
        "ethopose pedict a.mp4 -m mice",
        "ethopose predict a.mp4 -m mice --peak-treshold 0.3",
        "ethopose predict a.mp4",
        "ethopose convert a.ethopose",
        "ethopose predict a.mp4 -m mice -b four",
    ],
)
def test_a_line_that_cannot_be_run_is_noticed(line):
    with pytest.raises(Exception, match=r"[Nn]o such|[Mm]issing|[Ii]nvalid|a valid"):
        parse(line)
