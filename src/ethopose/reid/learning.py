"""A network of looks learned from samples of videos: the loop, read from top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor
from torch.nn import functional

from ethopose.reid.measures import FAR, UNKNOWN, Told, Triplets, told, triplets
from ethopose.reid.networks import KeypointNet, LooksNet, normalised
from ethopose.reid.samples import Samples
from ethopose.reid.spec import Spec
from ethopose.runtime import Compute, resolve

STEPS, CHECKS = 400, 16
PIECES, EACH = 32, 4  # of a batch: pieces, and rows of a piece
SURE, OFTEN, PATIENCE = 0.999, 4, 6  # area under the curve; checks of it, and without a gain
RATE, DECAY, WARM_UP = 2e-3, 0.02, 20
SHARPNESS = 0.1  # temperature of the contrast
TURN, MOVE, GROW, LIGHT = 0.12, 0.06, 0.08, 0.1  # of crops at random: radians, of half a crop, shares
AT_ONCE = 256  # rows

Views = Mapping[
    str, np.ndarray
]  # `crop` (sample, tall, wide, channel) uint8, `keypoints` (sample, keypoint, size)


@dataclass(frozen=True, slots=True)
class Lesson:
    """Of one video: what to learn from, and what is held out, each with what is seen of its samples."""

    samples: Samples
    views: Views
    held: Samples
    held_views: Views
    fps: float


@dataclass(frozen=True, slots=True)
class Learned:
    """A network, and how it came about."""

    network: LooksNet
    rows: tuple[dict[str, float], ...]  # of the curves
    told: Told  # of pieces that were held out


def learn(
    spec: Spec,
    lessons: Sequence[Lesson],
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Learned:
    """Pieces are what is to be told apart: rows of a piece are drawn together, those of pieces that coexist
    apart (contrast with in-batch negatives, Khosla 2020, of which only these count). The same seed on the
    same machine gives the same network."""
    device = settle()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = LooksNet(spec).to(device)
        _settle_keypoints(network, lessons)
        decay = [each for each in network.parameters() if each.ndim > 1]
        plain = [each for each in network.parameters() if each.ndim <= 1]
        groups = [{"params": decay, "weight_decay": DECAY}, {"params": plain, "weight_decay": 0.0}]
        optimiser = torch.optim.AdamW(groups, lr=RATE)
        chance, rows, losses, began = np.random.default_rng(seed), [], [], time.perf_counter()
        drawers = [_Batches(lesson.samples) for lesson in lessons]
        able = [number for number, drawer in enumerate(drawers) if drawer]
        tests = [triplets(lesson.held, seed) for lesson in lessons]
        measured = UNKNOWN
        for step in range(STEPS if able else 0):
            number = able[int(chance.integers(len(able)))]
            for group in optimiser.param_groups:
                group["lr"] = RATE * _rate(step)
            batch, piece = drawers[number].draw(chance)
            seen = _changed(_seen(lessons[number].views, batch, device))
            loss = contrast(network(seen), piece, lessons[number].samples)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses.append(float(loss.detach()))
            if (step + 1) % (STEPS // CHECKS) == 0:
                measured = _measured(network, lessons, tests)
                rows.append(
                    {
                        "step": step + 1,
                        "seconds": round(time.perf_counter() - began, 2),
                        "loss": round(float(np.mean(losses)), 5),
                        "triplets": round(measured.triplets, 5),
                        "auc": round(measured.auc, 5),
                    }
                )
                losses = []
                if _settled([row["auc"] for row in rows]):
                    break
            if progress:
                progress("learning looks", step + 1, STEPS)
    return Learned(network.eval(), tuple(rows), measured)


def settle() -> torch.device:
    """Where networks of looks run: the first GPU that torch can use, else all cores that may be used."""
    found = resolve(Compute(device="auto", runtime="torch", precision="fp32"))
    if found.device == "cpu":
        torch.set_num_threads(found.threads or 1)
    return torch.device(found.device)


@torch.no_grad()
def embed(network: LooksNet, views: Views) -> Float32[np.ndarray, "row dimension"]:
    """Vectors of rows, of which all is seen."""
    device = network.last.weight.device
    network.eval()
    rows = len(next(iter(views.values())))
    made = [np.empty((0, network.last.out_features), np.float32)]
    for begin in range(0, rows, AT_ONCE):
        some = np.arange(begin, min(begin + AT_ONCE, rows))
        made.append(network(_seen(views, some, device)).cpu().numpy())
    return np.concatenate(made)


def contrast(
    vector: Float[Tensor, "row dimension"], piece: Int64[np.ndarray, "row"], samples: Samples
) -> Float[Tensor, ""]:
    """-log of how much nearer each row of its piece is than those of pieces that coexist, mean over pairs."""
    same = piece[:, None] == piece
    np.fill_diagonal(same, val=False)
    other = samples.coexist(piece[:, None], piece)
    near = vector @ vector.T / SHARPNESS
    apart = torch.from_numpy(other).to(near.device)
    against = near.masked_fill(~apart, -math.inf).logsumexp(1, keepdim=True)
    pairs = torch.from_numpy(same & other.any(1, keepdims=True)).to(near.device)
    off = functional.softplus(torch.where(pairs, against - near, 0.0))
    return off[pairs].mean()


class _Batches:
    """Draws rows of pieces that coexist, those of a piece far apart in time."""

    def __init__(self, samples: Samples) -> None:
        self._moments = samples.moments
        self._order = np.argsort(samples.piece, kind="stable")
        self._start = np.searchsorted(samples.piece[self._order], np.arange(len(samples.first) + 1))

    def __bool__(self) -> bool:
        return bool(self._moments)

    def draw(self, chance: np.random.Generator) -> tuple[Int64[np.ndarray, "row"], Int64[np.ndarray, "row"]]:
        """Samples and their pieces."""
        chosen: list[int] = []
        for moment in chance.permutation(len(self._moments)):
            there = self._moments[moment]
            chosen += chance.permutation(there)[:PIECES].tolist()
            if len(set(chosen)) >= PIECES:
                break
        piece = np.repeat(np.array(sorted(set(chosen)), np.int64), EACH)
        begin, count = self._start[piece], self._start[piece + 1] - self._start[piece]
        part = np.tile(np.arange(EACH), len(piece) // EACH) + chance.random(len(piece))
        return self._order[begin + (part * count / EACH).astype(np.int64)], piece


def _rate(step: int) -> float:
    """Of the highest: it rises for a while, then falls as a cosine does."""
    return min((step + 1) / WARM_UP, 0.5 + 0.5 * math.cos(math.pi * step / STEPS))


def _settled(auc: Sequence[float]) -> bool:
    """Whether all is told apart, again and again, or nothing was gained for long."""
    best = int(np.argmax(auc))
    return (len(auc) >= OFTEN and min(auc[-OFTEN:]) >= SURE) or len(auc) - best > PATIENCE


def _seen(views: Views, rows: np.ndarray, device: torch.device) -> dict[str, Tensor]:
    seen = {
        name: torch.from_numpy(np.ascontiguousarray(each[rows])).to(device) for name, each in views.items()
    }
    return {name: each if each.dtype == torch.uint8 else each.float() for name, each in seen.items()}


def _changed(seen: dict[str, Tensor]) -> dict[str, Tensor]:
    """Crops turned, moved, grown and lit a little otherwise, as poses and light are never quite right."""
    if "crop" not in seen:
        return seen
    crop = normalised(seen["crop"])
    rows, _, tall, wide = crop.shape

    def within(limit: float) -> Tensor:
        return (2 * torch.rand(rows) - 1) * limit

    angle, grow = within(TURN), 1 + within(GROW)
    cos, sin = torch.cos(angle) * grow, torch.sin(angle) * grow
    top = torch.stack([cos, -sin * tall / wide, within(MOVE)], 1)
    bottom = torch.stack([sin * wide / tall, cos, within(MOVE)], 1)
    grid = functional.affine_grid(torch.stack([top, bottom], 1), list(crop.shape), align_corners=False)
    moved = functional.grid_sample(crop, grid.to(crop.device), padding_mode="border", align_corners=False)
    light = 1 + within(LIGHT).to(crop.device)[:, None, None, None]
    return {**seen, "crop": (moved + 2) * light - 2}


def _settle_keypoints(network: LooksNet, lessons: Sequence[Lesson]) -> None:
    if "keypoints" in network.trunks:
        trunk = cast(KeypointNet, network.trunks["keypoints"])
        told = np.concatenate([lesson.views["keypoints"] for lesson in lessons])
        trunk.settle(torch.from_numpy(told).float().to(network.last.weight.device))


def _measured(network: LooksNet, lessons: Sequence[Lesson], tests: Sequence[Triplets]) -> Told:
    """The mean over videos in which there is enough to say something."""
    each = [
        told(embed(network, lesson.held_views), lesson.held, test, FAR * lesson.fps)
        for lesson, test in zip(lessons, tests, strict=True)
    ]
    network.train()
    known = [one for one in each if math.isfinite(one.auc)]
    if not known:
        return UNKNOWN
    columns = np.array([(one.triplets, one.auc, one.frames) for one in known])
    right, auc, apart = columns.mean(0).tolist()
    return Told(right, auc, apart, far=all(one.far for one in known))
