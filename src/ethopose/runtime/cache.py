"""Where converted networks are kept between runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import platformdirs

from ethopose.core import InferenceError


def cache_folder() -> Path:
    """`ETHOPOSE_CACHE`, else the user's cache folder."""
    return Path(os.environ.get("ETHOPOSE_CACHE") or platformdirs.user_cache_dir("ethopose"))


def cached(key: str, make: Callable[[Path], None]) -> Path:
    """The folder for a key, made by `make` if it is not there; it is there whole or not at all.

    Two processes may make the same at once: the first to finish is kept.
    """
    folder = cache_folder() / "networks" / key
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".making-", dir=folder.parent))
    except OSError as error:
        raise InferenceError(
            f"converted networks cannot be kept ({error.strerror})",
            where=folder.parent,
            fix="point the environment variable ETHOPOSE_CACHE to a folder that can be written",
        ) from error
    try:
        make(unfinished)
        unfinished.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was first
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def code_digest() -> str:
    """sha256 of the code that builds networks: a changed head must not meet an old conversion."""
    digest = hashlib.sha256()
    _feed(files("ethopose.models"), digest.update)
    return digest.hexdigest()


def _feed(folder: Traversable, update: Callable[[bytes], None]) -> None:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            _feed(entry, update)
        elif entry.name.endswith(".py"):
            update(entry.read_bytes())
