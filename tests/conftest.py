"""Fixtures that more than one folder of tests uses."""

import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from commands import Said


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recorded models, videos and peers' outputs; `ETHOPOSE_DATA` says where, else ../shared/data."""
    default = Path(__file__).parents[2] / "shared" / "data"
    path = Path(os.environ.get("ETHOPOSE_DATA", default))
    if not path.is_dir():
        pytest.skip(f"no recorded data at {path}; set ETHOPOSE_DATA to run the parity tests")
    return path


@pytest.fixture(scope="session")
def network_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Converted networks of this session, shared by its workers, kept out of the user's own cache."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "networks"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ETHOPOSE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, network_cache: Path) -> Callable[..., Path]:
    """The folder of a tiny model by kind and seed, made once; folders are named after the kind."""
    from ethopose.testing.models import tiny_model

    made: dict[tuple[str, int], Path] = {}

    def folder(kind: str = "single", seed: int = 0) -> Path:
        if (kind, seed) not in made:
            made[kind, seed] = tiny_model(tmp_path_factory.mktemp("models") / kind, kind, seed=seed)
        return made[kind, seed]

    return folder


@pytest.fixture
def ethopose_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Said]]:
    """The command line in this process: words in, exit code and what was printed out."""
    from ethopose.cli import app

    def leave(code: int) -> NoReturn:
        raise SystemExit(code)

    def says(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["ethopose", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            app.main()
        for handler in logger.handlers[:]:
            logger.removeHandler(handler)
            handler.close()
        return Said(int(stop.value.code or 0), *capsys.readouterr())

    logger, on_stop = logging.getLogger("ethopose"), signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setenv("COLUMNS", "400")
    yield says
    signal.signal(signal.SIGTERM, on_stop)
    logger.setLevel(logging.NOTSET)
