"""The house's size: modules and functions that a person can read in one go."""

import ast
import shutil
import subprocess
from pathlib import Path

import pytest

import ethopose

SOURCE = Path(ethopose.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))
LONGEST_MODULE, LONGEST_FUNCTION = 400, 60
ROOT = Path(__file__).parents[2]
ROOMS = {
    ".ci",
    ".gitignore",
    "LICENSE",
    "README.md",
    "benchmarks",
    "docs",
    "pyproject.toml",
    "src",
    "tests",
    "tools",
}
BANNED = {"utils", "util", "common", "misc", "helpers"}


def test_nothing_lies_about():
    """What a test or a try left in the folder where it ran is not kept with the rest."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git clone, or no git")
    kept = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {name.split("/")[0] for name in kept.stdout.split("\0") if name} == ROOMS


def long_functions(text: str) -> list[str]:
    functions = [
        n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return [f.name for f in functions if f.end_lineno - body_start(f) + 1 > LONGEST_FUNCTION]


def body_start(function: ast.FunctionDef) -> int:
    """Its first line after the signature: a command's options are a list, not a text to follow."""
    return function.body[0].lineno


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(SOURCE)))
def test_modules_and_functions_are_short(module):
    text = module.read_text()
    assert len(text.splitlines()) <= LONGEST_MODULE
    assert long_functions(text) == []


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(SOURCE)))
def test_modules_say_what_they_are_for_and_are_named_after_it(module):
    tree = ast.parse(module.read_text())
    assert ast.get_docstring(tree)
    assert not BANNED & {part.removesuffix(".py") for part in module.relative_to(SOURCE).parts}


@pytest.mark.parametrize("module", MODULES, ids=lambda m: str(m.relative_to(SOURCE)))
def test_the_library_neither_prints_nor_configures_logging(module):
    calls = [ast.unparse(n.func) for n in ast.walk(ast.parse(module.read_text())) if isinstance(n, ast.Call)]
    assert not {"print", "logging.basicConfig"} & set(calls)


def test_a_long_function_is_noticed():
    body = "    x = 1\n" * LONGEST_FUNCTION
    assert long_functions(f"def f():\n{body}") == []
    assert long_functions(f"def f():\n{body}    y = 2\n") == ["f"]
