"""How the command line reads a line: options anywhere, underscores, help, errors, pipes."""

import json
import shlex
import subprocess
import sys

import pytest
import typer

from clips import BATCH, write_clip
from commands import parse
from ethopose.cli.app import FLAGS, VALUES, app
from ethopose.store import read

GROUP = typer.main.get_command(app)
COMMANDS = sorted(GROUP.commands)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", 16)


@pytest.fixture(scope="module")
def model(tiny):
    return tiny("centroid")


@pytest.fixture
def line(clip, model, tmp_path):
    """A prediction that works."""
    return ["predict", clip, "-m", model, "-o", tmp_path / "r", "-b", BATCH, "--format", "none"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_help_with_an_example_that_is_one(ethopose_says, name):
    said = ethopose_says(name, "--help")
    assert said.code == 0
    assert said.err == ""
    assert said.out == ethopose_says(name, "-h").out
    help_text = GROUP.commands[name].help
    first, *_ = help_text.splitlines()
    assert first.strip().endswith(".")
    examples = [text.strip() for text in help_text.splitlines() if text.strip().startswith("Example: ")]
    assert examples, "no example"
    for example in examples:
        assert example.startswith(f"Example: ethopose {name}")
        parse(example.removeprefix("Example: "))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name):
    for parameter in GROUP.commands[name].params:
        assert parameter.help, parameter.name
        assert all("_" not in option for option in parameter.opts if option.startswith("--"))


def test_the_commands_are_listed(ethopose_says):
    said = ethopose_says("--help")
    assert said.code == 0
    assert all(name in said.out for name in COMMANDS)


def test_nothing_at_all_is_answered_with_the_help_and_nothing_else(ethopose_says):
    said = ethopose_says()
    assert said.code == 0
    assert "Usage" in said.out
    assert said.err == ""


def test_the_version_is_told(ethopose_says):
    from importlib.metadata import version

    said = ethopose_says("--version")
    assert (said.code, said.out.strip(), said.err) == (0, f"ethopose {version('ethopose')}", "")


def test_the_list_of_global_options_is_whole():
    flags = {option for parameter in GROUP.params for option in parameter.opts}
    assert {*FLAGS, *VALUES, "-v", "-q"} == flags - {"-h", "--help"}


@pytest.mark.parametrize("place", ["before", "between", "after"])
@pytest.mark.parametrize("flag", ["--json", "-q", "--quiet", "-v", "-vv", "--verbose", "--debug"])
def test_global_options_may_stand_anywhere(ethopose_says, line, flag, place):
    at = {"before": 0, "between": 2, "after": len(line)}[place]
    said = ethopose_says(*line[:at], flag, *line[at:])
    assert said.code == 0, said.err
    if flag == "--json":
        assert len(json.loads(said.out)["videos"]) == 1
    if flag in ("-q", "--quiet"):
        assert said.out == ""


@pytest.mark.parametrize("words", [["--log", "LOG"], ["--log=LOG"]], ids=" ".join)
@pytest.mark.parametrize("place", ["before", "after"])
def test_the_log_option_takes_its_value_along(ethopose_says, line, tmp_path, words, place):
    words = [word.replace("LOG", str(tmp_path / "a.log")) for word in words]
    said = ethopose_says(*words, *line) if place == "before" else ethopose_says(*line, *words)
    assert said.code == 0, said.err
    assert (tmp_path / "a.log").is_file()


def test_a_log_that_cannot_be_written_is_wrong_use(ethopose_says, line, tmp_path):
    said = ethopose_says(*line, "--log", tmp_path / "none" / "a.log")
    assert said.code == 2
    assert "--log" in said.err
    assert not (tmp_path / "r").exists()


def test_what_stands_behind_two_dashes_is_no_option(ethopose_says, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "--my_clip.mp4", 16)
    said = ethopose_says("predict", "-m", model, "-b", BATCH, "--format", "none", "--", "--my_clip.mp4")
    assert said.code == 0, said.err
    assert (tmp_path / "--my_clip.mp4.centroid.ethopose").is_dir()


def test_underscores_are_accepted_in_options_and_kept_in_values(ethopose_says, clip, model, tmp_path):
    line = ("predict", clip, "-m", model, "-o", tmp_path / "my_result", "--format", "none")
    said = ethopose_says(*line, "--batch_size", BATCH, "--peak_threshold=0.5", "--max_instances", "1")
    assert said.code == 0, said.err
    manifest = read(tmp_path / "my_result").manifest
    assert manifest.batch == BATCH
    assert manifest.settings["peak_threshold"] == 0.5
    assert manifest.settings["max_instances"] == 1


WRONG = {
    "no video": ("predict", "-m", "mice"),
    "no model": ("predict", "clip.mp4"),
    "unknown option": ("predict", "clip.mp4", "-m", "mice", "--nonsense"),
    "unknown command": ("pedict", "clip.mp4"),
    "nothing there": ("info", "nothing.mp4"),
    "no model there": ("predict", "CLIP", "-m", "nowhere"),
    "too many": ("convert", "a", "b.csv", "c.csv"),
    "no number": ("predict", "clip.mp4", "-m", "mice", "-b", "four"),
    "no value": ("predict", "clip.mp4", "-m"),
}
FAILED = {
    "no model folder": ("predict", "CLIP", "-m", "EMPTY"),
    "no result": ("render", "EMPTY"),
    "no result to convert": ("convert", "EMPTY", "poses.csv"),
}


def line_of(words, clip, tmp_path):
    (tmp_path / "empty").mkdir()
    places = {"CLIP": clip, "EMPTY": tmp_path / "empty"}
    return [places.get(word, word) for word in words]


@pytest.mark.parametrize(
    ("words", "code"),
    [(words, 2) for words in WRONG.values()] + [(words, 1) for words in FAILED.values()],
    ids=[*WRONG, *FAILED],
)
def test_an_error_is_one_clear_line_without_traceback(
    ethopose_says, words, code, clip, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    said = ethopose_says(*line_of(words, clip, tmp_path))
    assert said.code == code
    assert said.out == ""
    assert said.err.startswith("ethopose: ")
    assert said.err.count("\n") == 1
    assert "; fix: " in said.err
    assert "Traceback" not in said.err
    assert {file.name for file in tmp_path.iterdir()} == {"empty"}


def test_a_fault_of_our_own_is_owned_up_to_in_one_line(ethopose_says, monkeypatch):
    from ethopose import about

    def broken():
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(about, "examine", broken)
    said = ethopose_says("doctor")
    assert said.code == 1
    assert said.err.count("\n") == 1
    assert "ZeroDivisionError" in said.err
    assert "--debug" in said.err


def python_m(*words, **options):
    line = [sys.executable, "-W", "ignore", "-m", "ethopose", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize(("words", "code"), [(("info", "nothing.mp4"), 2), (("convert", ".", "a.csv"), 1)])
def test_debug_shows_the_traceback_and_keeps_the_exit_code(words, code, tmp_path):
    said = python_m(*words, "--debug", cwd=tmp_path)
    assert "Traceback (most recent call last)" in said.stderr
    assert said.stderr.splitlines()[-1].startswith("ethopose")
    assert said.returncode == code


def test_a_reader_that_goes_away_is_no_traceback(tmp_path):
    line = f"{shlex.quote(sys.executable)} -W ignore -m ethopose predict --help"
    said = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line} | true"], capture_output=True, text=True, check=False
    )
    assert said.stderr == ""
    assert said.returncode in (0, 1)


def test_json_is_all_that_is_printed_and_is_json(ethopose_says, line):
    for words in ([*line, "--json"], [*line, "--json", "--profile"], ["info", line[5], "--json"]):
        said = ethopose_says(*words)
        json.loads(said.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_an_error_leaves_standard_output_to_programs_empty(ethopose_says):
    assert ethopose_says("info", "nothing.mp4", "--json").out == ""


@pytest.mark.parametrize("name", ["predict", "info", "convert"])
def test_quiet_prints_nothing_where_all_is_well_but_what_was_asked_for(ethopose_says, line, name, tmp_path):
    assert ethopose_says(*line, "-q").out == ""
    words = {
        "predict": line,
        "info": ["info", tmp_path / "r"],
        "convert": ["convert", tmp_path / "r", tmp_path / "r.csv"],
    }[name]
    said = ethopose_says(*words, "-q")
    assert said.code == 0
    assert (said.out == "") == (name in ("predict", "convert"))
