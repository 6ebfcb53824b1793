"""The command line: finds the command, speaks, and turns what went wrong into an exit code."""

from __future__ import annotations

import os
import re
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from typer import Option

from ethopose.cli import (
    convert,
    demo,
    doctor,
    evaluate,
    info,
    models,
    predict,
    reid,
    render,
    run,
    track,
    tracks,
    train,
)
from ethopose.cli.screen import Screen, start_logging
from ethopose.core import DiskFullError, EthoposeError, ExitCode, UsageError

app = typer.Typer(
    name="ethopose",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    demo,
    train,
    evaluate,
    predict,
    track,
    tracks,
    reid,
    run,
    render,
    convert,
    info,
    models,
    doctor,
):
    command.add_to(app)

FLAGS = ("--debug", "--json", "--verbose", "--quiet", "--version")
VALUES = ("--log",)


def _tell_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"ethopose {version('ethopose')}")
        raise typer.Exit


@app.callback()
def everywhere(
    context: typer.Context,
    as_json: Annotated[bool, Option("--json", help="Print JSON for programs.")] = False,
    quiet: Annotated[bool, Option("-q", "--quiet", help="Print errors only.")] = False,
    verbose: Annotated[int, Option("-v", "--verbose", count=True, help="Tell more; twice: all.")] = 0,
    log: Annotated[Path | None, Option("--log", help="Write a log to this file.")] = None,
    debug: Annotated[bool, Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, Option("--version", is_eager=True, callback=_tell_version, help="Print the version and stop.")
    ] = False,
) -> None:
    """Animal pose: labels in, models out; videos in, poses out.

    These options may stand anywhere in the line.
    """
    context.obj = Screen(as_json=as_json, quiet=quiet, debug=debug)
    try:
        start_logging(-1 if quiet else verbose, log)
    except OSError as error:
        raise UsageError(
            f"no log can be written ({error.strerror})", where=log, fix="choose another --log"
        ) from error


class Stopped(BaseException):
    """SIGTERM: somebody wants the machine."""


def main() -> NoReturn:
    """What `ethopose` runs. Leaves at once, whatever threads still do: all that is stored is whole."""
    signal.signal(signal.SIGTERM, _stop)
    words = _globals_first(_dashed(sys.argv[1:]))
    code = _run(words, debug="--debug" in words)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            code = code or ExitCode.FAILED
    os._exit(code)


def _run(words: list[str], *, debug: bool) -> int:
    screen = Screen()
    try:
        outcome = int(typer.main.get_command(app)(words or ["--help"], standalone_mode=False) or 0)
        if outcome == ExitCode.INTERRUPTED:  # what typer makes of a KeyboardInterrupt
            sys.stderr.write(f"ethopose: interrupted; {_way_on(words)}\n")
        return outcome
    except Stopped:
        sys.stderr.write(f"ethopose: stopped; {_way_on(words)}\n")
        return ExitCode.STOPPED
    except Exception as error:
        if debug:
            traceback.print_exc()
        return _complain(screen, error)


def _way_on(words: list[str]) -> str:
    command = next((word for word in words if not word.startswith("-")), "")
    resume = " with --resume" if command == "train" and "--resume" not in words else ""
    return f"start the same command again{resume} to continue"


def _complain(screen: Screen, error: Exception) -> int:
    if isinstance(error, EthoposeError):
        screen.complain(error)
        codes = {UsageError: ExitCode.USAGE, DiskFullError: ExitCode.STOPPED}
        return codes.get(type(error), ExitCode.FAILED)
    message = getattr(error, "format_message", None)  # of typer's own errors: a wrong option or value
    if callable(message):
        screen.complain(UsageError(message().rstrip("."), fix="ethopose COMMAND --help"))
        return ExitCode.USAGE
    if isinstance(error, OSError):
        screen.complain(EthoposeError(error.strerror or str(error), where=error.filename))
        return ExitCode.FAILED
    sys.stderr.write(
        f"ethopose: a fault of ethopose itself: {type(error).__name__}: {error}; --debug shows where\n"
    )
    return ExitCode.FAILED


def _dashed(words: list[str]) -> list[str]:
    """`--peak_threshold=0.3` as `--peak-threshold=0.3`, up to a lone `--`."""
    end = words.index("--") if "--" in words else len(words)
    parted = [word.partition("=") if word.startswith("--") else (word, "", "") for word in words[:end]]
    dashed = [
        name.replace("_", "-") + equals + value if name.startswith("--") else name
        for name, equals, value in parted
    ]
    return dashed + words[end:]


def _globals_first(words: list[str]) -> list[str]:
    """The options of the whole line before the command, wherever they were written."""
    before: list[str] = []
    rest: list[str] = []
    waiting = iter(words)
    for word in waiting:
        if word == "--":
            rest += [word, *waiting]
        elif word in VALUES:
            before += [word, *([value] if (value := next(waiting, None)) is not None else [])]
        elif word in FLAGS or re.fullmatch("-[vq]+", word) or word.split("=")[0] in VALUES:
            before.append(word)
        else:
            rest.append(word)
    return before + rest


def _stop(signum: int, frame: FrameType | None) -> NoReturn:
    raise Stopped
