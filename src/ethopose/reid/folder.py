"""The folder of a model of `reid train`: a network of looks, and the gallery of who is known by name."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from ethopose.core import ModelError, UsageError
from ethopose.reid import gallery, model
from ethopose.reid.gallery import Gallery
from ethopose.reid.spec import Spec
from ethopose.store import TEMPORARY, disk_errors, make_folder, remove_folder

if TYPE_CHECKING:
    from ethopose.reid.learning import Learned

FILES = frozenset((*model.FILES, gallery.NAME))


def check_free(home: Path, *, overwrite: bool) -> None:
    """Whether a model may be written here: where nothing is or, with `overwrite`, where such a model is.

    Raises `UsageError` where not; `ResultError` where the folder cannot be read.
    """
    with disk_errors(home):
        if home.exists() and not home.is_dir():
            raise UsageError("there is a file here", where=home, fix="choose another -o")
        files = home.iterdir() if home.exists() else ()
        there = {file.name for file in files if not file.name.startswith(TEMPORARY)}
    if not there:
        return
    if foreign := sorted(there - FILES):
        what = f"there is something here that is no part of a model of reid train: {foreign[0]}"
        raise UsageError(what, where=home, fix="choose another -o")
    if gallery.NAME not in there:  # other models have weights and metrics too
        what = f"what is here is not a model of reid train: there is no {gallery.NAME}"
        raise UsageError(what, where=home, fix="choose another -o")
    if not overwrite:
        raise UsageError("there is a model here already", where=home, fix="--overwrite, or another -o")


def write_model(home: Path, spec: Spec, learned: Learned, known: Gallery, *, overwrite: bool) -> None:
    """The model into a folder of its own, which takes the place of an older one when it is whole.

    If this fails, what was there is as it was. Raises what `check_free` does.
    """
    place = home.resolve()  # what a link leads to, not the link
    made, old = (place.with_name(f"{TEMPORARY}{secrets.token_hex(4)}-{place.name}") for _ in range(2))
    try:
        model.write_network(made, spec, learned)
        known.write(made)
        check_free(home, overwrite=overwrite)  # others may have worked here until now
        _exchange(made, place, old)
    except BaseException:
        remove_folder(made)
        raise
    remove_folder(old)


def _exchange(made: Path, place: Path, old: Path) -> None:
    """Give the folder `made` its place, and the one that is there, if any, the name `old`."""
    make_folder(place)
    with disk_errors(place):
        place.rename(old)
        try:
            made.rename(place)
        except BaseException:
            old.rename(place)
            raise


def digest_of(folder: Path) -> str:
    """What tells a model from others, also from one that was trained under its name before."""
    digest = hashlib.sha256()
    for name in (model.SPEC, model.WEIGHTS, gallery.NAME):
        try:
            digest.update((folder / name).read_bytes())
        except OSError as error:
            raise ModelError(f"cannot be read: {error.strerror}", where=folder / name) from None
    return digest.hexdigest()[:12]
