"""The command line, run as a user does, and what it left behind."""

import hashlib
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str


def start(*words: object, **options) -> subprocess.Popen:
    """The command line in a process of its own."""
    line = [sys.executable, "-m", "ethopose", *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(line, **pipes | options)


def run(*words: object, **options) -> Said:
    """The same, waited for."""
    process = start(*words, **options)
    out, err = process.communicate(timeout=120)
    return Said(process.returncode, out, err)


def parts(result: Path) -> dict[str, bytes]:
    """The bytes of every part of a result."""
    files = sorted(file for name in ("poses", "frames", "features") for file in result.glob(f"{name}/*"))
    return {str(file.relative_to(result)): file.read_bytes() for file in files}


def fingerprint(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file below a folder: its content and when it was written."""
    return {
        str(file.relative_to(folder)): (
            hashlib.sha256(file.read_bytes()).hexdigest(),
            file.stat().st_mtime_ns,
        )
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def same_slp(one: Path, other: Path) -> bool:
    """Whether two `.slp` hold the same numbers, names and video; when they were made may differ."""
    with h5py.File(one) as first, h5py.File(other) as second:
        assert {"frames", "instances", "pred_points"} <= first.keys() == second.keys()
        tables = [name for name in first if name not in ("metadata", "provenance_json")]
        return all(_same(first[name][()], second[name][()]) for name in tables)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    if one.dtype.kind == "O":  # texts
        return one.tolist() == other.tolist()
    return one.dtype == other.dtype and one.tobytes() == other.tobytes()


def parse(line: str) -> None:
    """Read a command line as ethopose would, up to the point of running it."""
    import typer

    from ethopose.cli.app import _dashed, _globals_first, app

    group = typer.main.get_command(app)
    _, *words = shlex.split(line, comments=True)
    words = words[: next((at for at, word in enumerate(words) if word in ("|", ">", "&&", ";")), None)]
    context = group.make_context("ethopose", _globals_first(_dashed(words)))
    name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
    if not {"-h", "--help"} & set(rest):
        command.make_context(name, rest, parent=context)
