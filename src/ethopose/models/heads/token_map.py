"""A map a keypoint, of tokens that look at patches of the features and at each other (Li et al. 2021)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ethopose.core import SpecError
from ethopose.models.appearance import Grid
from ethopose.models.heads import peaks
from ethopose.models.heads.head import Found, Outputs, Truth
from ethopose.models.heads.located_map import ways_to
from ethopose.models.losses import Criteria
from ethopose.models.picture_size import check_size

ROUNDS = 3  # tokens are read after each third of the layers
WARMTH = 10000.0  # the longest wave over the shortest, of those that tell places (Vaswani et al. 2017)
POSITIONS = ("repeated", "once", "learned")

Tokens = Float[Tensor, "batch token width"]


class TokenMap(nn.Module):
    """One animal a picture: the highest cell of the map that each keypoint's token tells.

    Features of stride `source` and of `cells` (height, width) are cut into patches of `patch` cells, each a
    token of `width` numbers. With one more a keypoint they pass three rounds of `depth` layers, in which
    tokens look at each other by `lookers` and are brought to `hidden` numbers and back. Where a patch lies
    is told by waves, `once` in the beginning, or `repeated` in the later rounds too, or is learned
    (`position`). A keypoint's token, as it was after each round, is made a map of `map_cells` (height,
    width), `times` those of the features an axis; with `between` by way of so many numbers. Values are
    brought between 0 and 1 by `sigmoid`, or cut off there by `clip`. Taught is 1 within `reach` px. Source:
    DeepLabCut 3.0.1, Transformer with TransformerHead.
    """

    finds = ("xy", "value")
    outputs = ("log_odds",)

    def __init__(
        self,
        channels: dict[int, int],
        *,
        keypoints: int,
        source: int,
        cells: Sequence[int],
        map_cells: Sequence[int],
        times: float = 1.0,
        patch: Sequence[int] = (4, 4),
        width: int = 192,
        depth: int = 6,
        lookers: int = 8,
        hidden: int = 3,
        between: int | None = None,
        position: str = "repeated",
        sigmoid: bool = True,
        clip: bool = False,
        reach: float = 17.0,
        loss: dict[str, str] | None = None,
        weight: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        if position not in POSITIONS:
            raise SpecError(f"no position is named {position!r}", fix=f"choose {', '.join(POSITIONS)}")
        self.source, self.stride = source, source / times
        self.grid = Grid(source, source / 2)
        self.cells, self.map_cells, self.patch = tuple(cells), (map_cells[0], map_cells[1]), tuple(patch)
        self.keypoints, self.position = keypoints, position
        self.sigmoid, self.clip, self.reach = sigmoid, clip, reach
        self.token = nn.Parameter(torch.zeros(1, keypoints, width))
        self.embed = nn.Linear(channels[source] * math.prod(patch), width)
        rows, columns = (side // size for side, size in zip(cells, patch, strict=True))
        if position == "learned":
            self.place = nn.Parameter(torch.zeros(1, keypoints + rows * columns, width))
        else:  # a constant that DeepLabCut stores among the weights
            self.register_buffer("place", waves(rows, columns, width))
        self.rounds = nn.ModuleList(Round(depth, width, lookers, hidden) for _ in range(ROUNDS))
        widths = [ROUNDS * width, *([] if between is None else [between]), math.prod(map_cells)]
        steps = [(nn.LayerNorm(old), nn.Linear(old, new)) for old, new in pairwise(widths)]
        self.maps = nn.Sequential(*(layer for step in steps for layer in step))
        self.losses = Criteria({"log_odds": ("binary_cross_entropy_logits", 1.0)}, loss, weight)

    def forward(self, features: dict[int, Tensor]) -> Outputs:
        """log_odds (batch keypoint height width).

        Raises:
            SpecError: pictures of another size.
        """
        patches = self._patches(features[self.source])
        known = self.position == "learned"
        place = self.place if known else functional.pad(self.place, (0, 0, self.keypoints, 0))
        tokens = torch.cat((self.token.expand(len(patches), -1, -1), patches), 1) + place
        told = []
        for number, layers in enumerate(self.rounds):
            tokens = layers(tokens, place if number and self.position == "repeated" else None)
            told.append(tokens[:, : self.keypoints])
        maps: Tensor = self.maps(torch.cat(told, 2))
        return {"log_odds": maps.reshape(*maps.shape[:2], *self.map_cells)}

    def _patches(self, features: Float[Tensor, "batch channel height width"]) -> Tokens:
        seen, wanted = (
            [cells * self.source for cells in sides] for sides in (features.shape[-2:], self.cells)
        )
        check_size("token_map", seen, wanted)
        weight = self.embed.weight
        kernel = weight.reshape(len(weight), *self.patch, -1).permute(0, 3, 1, 2)
        return functional.conv2d(features, kernel, self.embed.bias, self.patch).flatten(2).transpose(1, 2)

    def decode(self, outputs: Outputs, found: Found) -> Found:
        """The one peak of each map: xy in pixels of the prepared image, value."""
        maps = outputs["log_odds"].sigmoid() if self.sigmoid else outputs["log_odds"]
        column, row, value = peaks.first_peak(maps)
        xy = torch.stack((column, row), -1) * self.stride + self.stride / 2
        return {"xy": xy, "value": peaks.clipped(value) if self.clip else value}

    def targets(self, truth: Truth) -> Outputs:
        """1 within `reach` px of any animal's keypoint, 0 elsewhere."""
        near = [
            ways_to(animal, self.map_cells, self.stride)[0] <= self.reach**2 for animal in truth.xy.unbind(1)
        ]
        return {"log_odds": torch.stack(near).any(0).float()}


class Round(nn.Module):
    """Layers one after the other."""

    def __init__(self, depth: int, width: int, lookers: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(width, lookers, hidden) for _ in range(depth))

    def forward(self, tokens: Tokens, place: Tokens | None) -> Tokens:
        """Of the same shape; where tokens lie is told again before each layer but the first."""
        for index, layer in enumerate(self.layers):
            if index and place is not None:
                tokens = tokens + place
            tokens = layer(tokens)
        return tokens


class Layer(nn.Module):
    """Tokens look at each other, then each is changed by itself; both are added to what came in."""

    def __init__(self, width: int, lookers: int, hidden: int) -> None:
        super().__init__()
        self.lookers = lookers
        self.look_norm, self.change_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.join = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.change = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, tokens: Tokens) -> Tokens:
        """Of the same shape."""
        told = self.project(self.look_norm(tokens)).unflatten(2, (3, self.lookers, -1))
        query, key, value = told.permute(2, 0, 3, 1, 4).unbind()
        share = (query @ key.transpose(2, 3) * query.shape[-1] ** -0.5).softmax(-1)
        tokens = tokens + self.join((share @ value).transpose(1, 2).flatten(2))
        changed: Tensor = self.change(self.change_norm(tokens))
        return tokens + changed


def waves(rows: int, columns: int, width: int) -> Float[Tensor, "1 cell width"]:
    """Where each cell lies, in sines and cosines of ever longer waves: half of them down, half across, as
    DETR has it (Carion et al. 2020). A place is its number from 1 over that of the last, times 2 pi."""
    half = width // 2
    length = WARMTH ** (2 * (torch.arange(half, dtype=torch.float32) // 2) / half)
    down, across = (
        2 * math.pi * torch.arange(1, cells + 1, dtype=torch.float32) / (cells + 1e-6)
        for cells in (rows, columns)
    )
    sides = []
    for places in (down.repeat_interleave(columns), across.repeat(rows)):
        angle = places[:, None] / length
        sides.append(torch.stack((angle[:, 0::2].sin(), angle[:, 1::2].cos()), 2).flatten(1))
    return torch.cat(sides, 1)[None]
