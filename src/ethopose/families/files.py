"""Reading the files of model folders: nothing foreign is executed, and each fault is one clear line."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import yaml

from ethopose.core import ModelError


def folder_of(path: Path) -> Path:
    """A model folder, told by itself or by a file in it."""
    return path if path.is_dir() else path.parent


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file whose top level is a mapping."""
    try:
        content = yaml.load(
            path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        )
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror})", where=path) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ModelError(f"no valid YAML ({' '.join(str(error).split())})", where=path) from error
    if not isinstance(content, dict):
        raise ModelError("no mapping of keys to values", where=path)
    return content


def file_digest(path: Path) -> str:
    """sha256 of a file's content."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror})", where=path) from error
