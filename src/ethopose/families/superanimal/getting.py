"""A SuperAnimal model as a folder that runs: fetched, looked at, and there whole or not at all."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import yaml

from ethopose.core import ModelError, UsageError
from ethopose.families import deeplabcut3
from ethopose.families.superanimal import hub
from ethopose.families.superanimal.configuration import configuration
from ethopose.families.superanimal.hub import Licence, Progress, Stored
from ethopose.families.superanimal.offers import Offer, offer
from ethopose.store import make_folder
from ethopose.store.atomic import TEMPORARY, disk_errors, remove_folder

NETWORK, DETECTOR, CONFIG = "snapshot-000.pt", "snapshot-detector-000.pt", "pytorch_config.yaml"
CARD = "MODEL_CARD.md"
TORCHVISION = (
    "The detector is torchvision's own, trained on the pictures of COCO, whose terms may be its terms: "
    "https://github.com/pytorch/vision#pre-trained-model-license"
)
MOST = 300  # boxes that a detector tells of at most

Agree = Callable[[Licence], bool]


def get(
    name: str,
    out: Path | str | None = None,
    *,
    agree: Agree,
    detector: str | None = None,
    animals: int = 10,
    revision: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Fetch a model and its detector into the folder `out`, or one of the model's name here; gives it.

    It is one that DeepLabCut 3 could have trained: `ethopose.load` and all that takes a model takes it.
    `agree` is shown the licence before any weights are fetched. `animals` are found in a frame at most.
    `revision` is a commit, branch or tag of the repository; the newest if left out. Which it was stands in
    the folder, with the digests of the files.

    Raises:
        UsageError: there is no such model, detector or revision; the folder is there already; the licence is
            not agreed to.
        ModelError: the files cannot be fetched, or are not the weights of these networks.
        ResultError: the folder cannot be written.
    """
    found, detector = offer(name, detector)
    if not 1 <= animals <= MOST:
        raise UsageError(f"{animals} animals at most: from 1 to {MOST} can be told")
    folder = Path(name if out is None else out).absolute()
    if folder.exists():
        raise UsageError(
            "there is something of this name already", where=folder, fix="-o names another folder"
        )
    card = hub.fetch(found.repository, hub.CARD, revision)
    licence = hub.licence(card, found.repository)
    if found.elsewhere:
        licence = replace(licence, text=f"{licence.text}\n\n{TORCHVISION}".strip())
    if not agree(licence):
        raise UsageError("the licence is not agreed to: nothing was fetched", where=licence.url)
    files = {
        place: hub.fetch_from(found.elsewhere[network], progress)
        if network in found.elsewhere
        else hub.fetch(found.repository, found.stored(network), card.commit, progress)
        for place, network in ((NETWORK, found.network), (DETECTOR, detector))
    }
    config = configuration(found, detector, animals)
    config["superanimal"] = _provenance(found, detector, files, licence)
    text = yaml.safe_dump(config, sort_keys=False, width=110)
    _leave(folder, {CARD: card, **files}, text, found.repository)
    return folder


def _provenance(found: Offer, detector: str, files: dict[str, Stored], licence: Licence) -> dict[str, object]:
    return {
        "scorer": f"{found.name}_{detector}",
        "repository": found.repository,
        "revision": files[NETWORK].commit,
        "licence": licence.name,
        "files": {
            place: {"name": stored.path.name, "sha256": stored.digest} for place, stored in files.items()
        },
    }


def _leave(folder: Path, files: dict[str, Stored], config: str, repository: str) -> None:
    """The folder under its name, once all that belongs into it lies there and is seen to be a model."""
    unfinished = folder.with_name(f"{TEMPORARY}{secrets.token_hex(4)}-{folder.name}")
    make_folder(unfinished)
    try:
        with disk_errors(folder):
            for place, stored in files.items():
                shutil.copyfile(stored.path, unfinished / place)
            (unfinished / CONFIG).write_text(config, encoding="utf-8")
        _look_at(unfinished, repository)
        with disk_errors(folder):
            unfinished.rename(folder)
    except BaseException:
        remove_folder(unfinished)
        raise


def _look_at(folder: Path, repository: str) -> None:
    """Every tensor of the networks is there, and nothing else."""
    from ethopose.models.build import build_trained  # imports torch

    try:
        model = deeplabcut3.read([folder])
        for number, stage in enumerate(model.spec.stages):
            build_trained(stage, model.weights(number))
    except ModelError as error:
        raise ModelError(f"what was fetched does not run: {error.what}", where=repository) from error
