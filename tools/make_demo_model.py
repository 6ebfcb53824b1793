"""Train the model that `ethopose demo` ships, from worlds alone, and write it into the package.

    python tools/make_demo_model.py [FOLDER]

About eleven minutes on one core. Every world is encoded and decoded again, since the demo's clip is a
compressed file too. No seed below 1000 is trained on: those are for the demo and for the tests.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import ethopose
from ethopose.families import native
from ethopose.media import open_video
from ethopose.models.build import NetworkGraph, build
from ethopose.models.heads.head import Truth
from ethopose.models.preparation import fit
from ethopose.models.spec import ModelSpec, Network, Part, Preparation, Stage
from ethopose.testing import World, compare

FOLDER = Path(__file__).parents[1] / "src/ethopose/testing/data/demo"
SEEDS, CHECK_SEEDS = range(1000, 1048), (2000, 2001)
EVERY = 2  # frames; neighbours look alike
CROP = 128  # px: training sees windows, a third of the pixels of a frame
STEPS, BATCH, RATE = 7000, 8, 3e-3
WEIGHTS = 1000.0, 250.0  # of the losses of maps and fields: errors of empty pixels make their means small

# The animals' own edges all start at the body, which one hides of the other where they cross. Joined from
# end to end, an animal is found without it.
SKELETON = World().skeleton
EDGES = tuple(
    (SKELETON.keypoints.index(source), SKELETON.keypoints.index(destination))
    for source, destination in (
        ("tail_base", "nose"),
        ("tail_base", "body"),
        ("tail_base", "left_hindpaw"),
        ("tail_base", "right_hindpaw"),
        ("nose", "left_forepaw"),
        ("nose", "right_forepaw"),
    )
)
SPEC = ModelSpec(
    name="demo",
    family="ethopose",
    kind="bottom-up",
    skeleton=SKELETON,
    stages=(
        Stage(
            preparation=Preparation(color="gray", pad_to=16),
            network=Network(
                in_channels=1,
                backbone=Part(
                    name="unet",
                    options={"filters": 8, "filters_rate": 2, "max_stride": 16, "output_stride": 2},
                ),
                heads=(
                    Part(
                        name="confidence_map",
                        options={"keypoints": 7, "stride": 2, "sigma": 1.25, "peaks_kept": 16},
                    ),
                    Part(name="part_affinity", options={"edges": EDGES, "stride": 4, "sigma": 15.0}),
                ),
            ),
            grouping=Part(name="affinity", options={"keypoints": 7, "edges": EDGES, "min_peaks": 3}),
        ),
    ),
    provenance={"made_by": "tools/make_demo_model.py", "world_seeds": [SEEDS[0], SEEDS[-1]]},
)


def main(folder: Path) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    pictures, places = worlds()
    graph = trained(pictures, places)
    native.write(folder, SPEC, [graph.state_dict()])
    size = sum(file.stat().st_size for file in folder.iterdir())
    say(f"{folder}: {size / 1e6:.2f} MB")
    check(folder)


def worlds() -> tuple[torch.Tensor, torch.Tensor]:
    """Frames (frame, height, width, 1) uint8 of all worlds, and places (frame, animal, keypoint, 2), px."""
    pictures, places = [], []
    for seed in SEEDS:
        world = World(seed=seed)
        frames = np.arange(0, world.frames, EVERY)
        with tempfile.TemporaryDirectory() as folder:
            video = open_video(world.write(Path(folder) / "world.mp4"))
            images = np.concatenate([block.image for block in video.blocks(frames, 64)])
        xy = np.full((world.frames, world.animals, 7, 2), np.nan, np.float32)
        xy[world.truth.frame, world.truth.individual] = world.truth.xy
        pictures.append(torch.from_numpy(fit(images, SPEC.stages[0].preparation).images))
        places.append(torch.from_numpy(xy[frames]))
    say(f"{len(SEEDS)} worlds, {sum(map(len, pictures))} frames")
    return torch.cat(pictures), torch.cat(places)


def trained(pictures: torch.Tensor, places: torch.Tensor) -> NetworkGraph:
    """The network after all steps: the moving average of its weights."""
    graph = build(SPEC.stages[0]).train().to(memory_format=torch.channels_last)
    average = AveragedModel(graph, multi_avg_fn=get_ema_multi_avg_fn(0.995))
    optimiser = torch.optim.AdamW(graph.parameters(), lr=RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=STEPS, pct_start=0.1)
    recent = np.zeros(2)
    for step in range(STEPS):
        windows, xy = batch(pictures, places)
        truth = Truth(xy, torch.full(xy.shape[:2], -1), (CROP, CROP))
        with torch.autocast("cpu", torch.bfloat16):  # twice as fast where the CPU computes in it
            outputs = graph.outputs(windows.permute(0, 3, 1, 2).float() / 255)
        losses = [
            weight * sum(head.losses(output, head.targets(truth)).values())
            for weight, head, output in zip(WEIGHTS, graph.heads, outputs, strict=True)
        ]
        optimiser.zero_grad()
        torch.stack(losses).sum().backward()
        torch.nn.utils.clip_grad_norm_(graph.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        average.update_parameters(graph)
        recent += [loss.item() / 200 for loss in losses]
        if step % 200 == 199:
            say(f"step {step + 1} of {STEPS}: maps {recent[0]:.3f}, fields {recent[1]:.3f}")
            recent[:] = 0
    return average.module.eval()


def batch(pictures: torch.Tensor, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Windows of frames by chance, most of them near an animal, and the places as pixels of the window."""
    chosen = torch.randint(len(pictures), (BATCH,))
    height, width = pictures.shape[1:3]
    middle = places[chosen, torch.randint(places.shape[1], (BATCH,)), 0]
    anywhere = torch.rand(BATCH, 2) * torch.tensor((width, height))
    middle = torch.where(middle.isnan(), anywhere, middle + CROP / 2 * (torch.rand(BATCH, 2) - 0.5))
    limit = torch.tensor((width - CROP, height - CROP))
    corner = (middle - CROP / 2).long().clamp(min=torch.zeros(2).long(), max=limit)
    windows = [
        pictures[frame, top : top + CROP, left : left + CROP]
        for frame, (left, top) in zip(chosen, corner.tolist(), strict=True)
    ]
    return torch.stack(windows), places[chosen] - corner[:, None, None]


def check(folder: Path) -> None:
    """Say how far the model is from worlds that it has not seen."""
    for seed in CHECK_SEEDS:
        world = World(seed=seed)
        with tempfile.TemporaryDirectory() as place:
            result = ethopose.predict(world.write(Path(place) / "world.mp4"), folder)
            found = compare(result.poses, world.truth)
        say(
            f"seed {seed}: {found.found:.2%} of the animals, {found.extra:.3f} a frame beyond these, "
            f"median {found.median:.2f} px, 95 % {found.p95:.2f} px, {found.missing:.2%} missing"
        )


def say(line: str) -> None:
    sys.stdout.write(f"{time.process_time():6.0f} s  {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
