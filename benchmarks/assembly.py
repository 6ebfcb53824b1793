"""Animals put together from peaks and lines: how long it takes beside the network, and on maps of noise.

    python benchmarks/assembly.py

Prints medians in ms of a frame of 640 x 480 px, of the network (ResNet-50 with DeepLabCut's multi-stage head,
untrained: its time does not depend on that), of its decode and of grouping; then seconds and peak memory of a
process that decodes and groups maps of noise, 200 as it is, and 20 with all peaks and lines kept
(`--detections`). Their memory is that of Python with torch and numba, and what is added to it.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

STRIDE, SIZE, ANIMALS = 8, (480, 640), 10
NOISE = {False: 200, True: 20}  # maps, as it is and with all peaks
REPEATS = 15


def stage(keypoints: int, *, every: bool = False):  # type: ignore[no-untyped-def]  # imports nothing at the top
    """A network for so many keypoints, a field for each pair of them."""
    from ethopose.models.spec import Network, Part, Preparation, Stage

    edges = [(a, b) for a in range(keypoints) for b in range(a)]

    def grown(channels: int) -> dict[str, object]:
        return {"channels": [channels], "kernels": [3], "strides": [2], "last": None}

    head = Part(
        name="staged_fields",
        options={
            "keypoints": keypoints,
            "edges": edges,
            "source": 2 * STRIDE,
            "maps": grown(keypoints),
            "offsets": grown(2 * keypoints),
            "fields": grown(2 * len(edges)),
            "stages": 0,
            **({"every": True} if every else {"peaks_kept": ANIMALS}),
        },
    )
    options = {"model": "resnet50", "max_stride": 16, "output_stride": 16}
    return Stage(
        preparation=Preparation(color="rgb"),
        network=Network(in_channels=3, backbone=Part(name="timm", options=options), heads=(head,)),
        grouping=Part(name="assembly", options={"keypoints": keypoints, "edges": edges, "animals": ANIMALS}),
        peak_threshold=0.0,
    )


def scene(keypoints: int, cells: tuple[int, int], chance: np.random.Generator):  # type: ignore[no-untyped-def]
    """Maps (logits), offsets and fields of animals somewhere in a frame."""
    import torch

    from ethopose.models.heads import HEADS
    from ethopose.models.heads.head import Truth

    options = stage(keypoints).network.heads[0].options
    head = HEADS.build("staged_fields", {2 * STRIDE: 1}, **options)
    places = chance.uniform(40, np.array(SIZE[::-1]) - 40, (ANIMALS, 1, 2))
    xy = places + chance.normal(0, 25, (ANIMALS, keypoints, 2))
    truth = Truth(torch.from_numpy(xy[None]).float(), torch.zeros(1, ANIMALS, dtype=torch.int64), SIZE)
    targets = head.targets(truth)
    fields = targets["fields"][..., : cells[0], : cells[1]]
    maps = np.zeros((1, keypoints, *cells), np.float32)
    rows, columns = np.indices(cells) * STRIDE + STRIDE // 2
    for animal in xy:
        for keypoint, (x, y) in enumerate(animal):
            spot = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 8.0**2))
            maps[0, keypoint] = np.maximum(maps[0, keypoint], spot)
    logits = torch.from_numpy(np.log((maps + 1e-3) / (1.001 - maps)).astype(np.float32))
    return logits, torch.zeros(1, 2 * keypoints, *cells), fields


def beside_the_network() -> None:
    import torch

    from ethopose.models.build import DecodeGraph, build
    from ethopose.models.grouping import GROUPINGS
    from ethopose.models.grouping.instances import Context

    told = stage(12)
    graph = build(told)
    picture = torch.randint(0, 255, (1, *SIZE, 3), dtype=torch.uint8)
    with torch.inference_mode():
        cells = tuple(graph(picture)[0].shape[-2:])
        maps = scene(12, cells, np.random.default_rng(1))  # type: ignore[arg-type]
        decode = DecodeGraph(graph)
        found = dict(zip(decode.names, (each.numpy() for each in decode(*maps)), strict=True))
        grouping = GROUPINGS.build(told.grouping.name, **told.grouping.options)
        context = Context(0.0, None, np.zeros(1, np.int64))
        animals = len(grouping(found, context).frame)
        print(f"{animals} animals x 12 keypoints, {len(told.grouping.options['edges'])} edges, ms a frame:")
        steps: dict[str, Callable[[], object]] = {
            "network": lambda: graph(picture),
            "decode": lambda: decode(*maps),
            "assembly": lambda: grouping(found, context),
        }
        for name, step in steps.items():
            print(f"  {name:9} {1e3 * _median(step):8.2f}")


def of_noise(every: bool) -> None:
    """In a process of its own, whose memory is told."""
    import torch

    from ethopose.models.build import WIDER
    from ethopose.models.grouping import GROUPINGS
    from ethopose.models.grouping.instances import Context
    from ethopose.models.heads import HEADS

    told = stage(9, every=every)
    head = HEADS.build("staged_fields", {2 * STRIDE: 1}, **told.network.heads[0].options)
    if every:
        head.peaks_kept *= WIDER  # type: ignore[attr-defined]  # as `build_wide` does
    chance, before = torch.Generator().manual_seed(1), _memory()
    grouping = GROUPINGS.build(told.grouping.name, **told.grouping.options)
    cells, edges = (SIZE[0] // STRIDE, SIZE[1] // STRIDE), len(told.grouping.options["edges"])
    animals, began = 0, time.perf_counter()
    for _ in range(NOISE[every]):
        maps = [torch.randn(1, n, *cells, generator=chance) for n in (9, 18, 2 * edges)]
        with torch.inference_mode():
            told_by = head.decode(dict(zip(head.outputs, maps, strict=True)), {})
        found = {name: each.numpy() for name, each in told_by.items()}
        animals += len(grouping(found, Context(0.0, None, np.zeros(1, np.int64))).frame)
    spent = time.perf_counter() - began
    cpu, added = time.process_time(), _memory() - before
    what = f"{NOISE[every]}, " + ("all peaks and lines kept" if every else "as it is")
    print(f"  {what:30} {spent:6.1f} s ({cpu:.1f} of CPU), {before:.2f} + {added:.2f} GiB, {animals} animals")


def _memory() -> float:
    """The most GiB that this process ever held (Linux); `getrusage` would count its parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 2**20 for line in lines if line.startswith("VmHWM"))


def _median(step: Callable[[], object]) -> float:
    spent = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        step()
        spent.append(time.perf_counter() - began)
    return statistics.median(spent)


def main() -> None:
    if sys.argv[1:2] == ["noise"]:
        of_noise(sys.argv[2] == "every")
        return
    beside_the_network()
    print(f"maps of noise, {ANIMALS} animals x 9 keypoints, decoded and grouped:", flush=True)
    for what in ("plain", "every"):
        subprocess.run([sys.executable, __file__, "noise", what], check=True)


if __name__ == "__main__":
    main()
