"""Train the model that `ethopose demo` ships, by `ethopose.train` from worlds alone, into the package.

    python tools/make_demo_model.py [FOLDER]

The recipe is `demo.yaml`. Every world is encoded and decoded again, since the demo's clip is a compressed
file too. No seed below 1000 is trained on: those are for the demo and for the tests.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import ethopose
from ethopose.core import Labels
from ethopose.families import native
from ethopose.formats import join_labels
from ethopose.testing import World, compare

FOLDER = Path(__file__).parents[1] / "src/ethopose/testing/data/demo"
RECIPE = Path(__file__).with_name("demo.yaml")
SEEDS, CHECK_SEEDS = range(1000, 1048), (2000, 2001)
EVERY = 4  # frames; neighbours look alike


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        ethopose.train(worlds(Path(place)), Path(place) / "demo", config=RECIPE)
        model = ethopose.load(Path(place) / "demo")
        made = {"made_by": "tools/make_demo_model.py", "world_seeds": [SEEDS[0], SEEDS[-1]]}
        spec = model.spec.model_copy(update={"provenance": made})
        native.write(folder, spec, [model.weights(0)])  # in half precision: it travels with the package
    size = sum(file.stat().st_size for file in folder.iterdir())
    say(f"{folder}: {size / 1e6:.2f} MB")
    for seed in CHECK_SEEDS:
        say(checked(folder, seed))


def worlds(place: Path) -> Labels:
    """Labels of all worlds, whose videos are written into `place`."""
    parts = []
    for seed in SEEDS:
        world = World(seed=seed)
        video = world.write(place / f"world{seed}.mp4")
        parts.append(world.labels(range(0, world.frames, EVERY), video))
    return join_labels(parts)


def checked(folder: Path, seed: int) -> str:
    """How far the model is from a world that it has not seen."""
    world = World(seed=seed)
    with tempfile.TemporaryDirectory() as place:
        result = ethopose.predict(world.write(Path(place) / "world.mp4"), folder)
        found = compare(result.poses, world.truth)
    return (
        f"seed {seed}: {found.found:.2%} of the animals, {found.extra:.3f} a frame beyond these, "
        f"median {found.median:.2f} px, 95 % {found.p95:.2f} px, {found.missing:.2%} missing"
    )


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
