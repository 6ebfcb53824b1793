"""HRNet whose branches attend to where keypoints are thought to be (Zhou et al. 2023, BUCTD)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ethopose.core import SpecError
from ethopose.models.backbones.conditioned import Map, Spots
from ethopose.models.backbones.hrnet import STRIDES, HRNet
from ethopose.models.layers import resized
from ethopose.models.picture_size import check_size

STAGES = 3  # that branches can be attended to before, each with one branch more than its number


class ConditionedHRNet(nn.Module):
    """HRNet in timm's layout `model`; before the stages `attended` (1 to 3) branches look at `conditions`.

    Pictures have one `size` (height, width), in multiples of 32 px. Conditions are spots of `spot` px. Each
    branch is asked by them what to look at, cell by cell and channel by channel, by `lookers`; with
    `by_channel` only so, and what is seen multiplies the branch instead of being added. Source: DeepLabCut
    3.0.1, HRNetCoAM.
    """

    def __init__(
        self,
        *,
        in_channels: int = 3,
        conditions: int,
        size: Sequence[int],
        model: str = "hrnet_w32",
        attended: Sequence[int] = (2,),
        spot: int = 15,
        lookers: int = 1,
        by_channel: bool = False,
    ) -> None:
        super().__init__()
        if any(side % STRIDES[-1] for side in size) or not set(attended) <= set(range(1, STAGES + 1)):
            raise SpecError(f"no HRNet attends before stages {list(attended)} to pictures of {list(size)} px")
        self.in_channels, self.conditions, self.size = in_channels, conditions, tuple(size)
        self.spots = Spots(spot)
        plain = HRNet(in_channels=in_channels, model=model)
        self.normalise, self.encoder, self.channels = plain.normalise, plain.encoder, plain.channels
        self.looks = nn.ModuleDict()
        for stage in sorted(set(attended)):
            widths = getattr(self.encoder, f"stage{stage + 1}_cfg")["num_channels"]
            self.looks[str(stage)] = nn.ModuleList(
                Look(width, conditions, size[0] // stride, size[1] // stride, lookers, by_channel)
                for width, stride in zip(widths, STRIDES, strict=False)
            )

    def forward(self, image: Map) -> dict[int, Tensor]:
        """Feature maps by stride.

        Raises:
            SpecError: pictures of another size.
        """
        check_size("conditioned_hrnet", image.shape[-2:], self.size)
        picture, spots = torch.split(image, [self.in_channels, self.conditions], 1)
        spots, layers = self.spots(spots), self.encoder
        x = layers.act1(layers.bn1(layers.conv1(self.normalise(picture))))
        x = layers.layer1(layers.act2(layers.bn2(layers.conv2(x))))
        branches = [x] * len(layers.transition1)
        for stage in range(1, STAGES + 1):
            branches = _grown(getattr(layers, f"transition{stage}"), branches)
            if str(stage) in self.looks:
                looks: nn.ModuleList = self.looks[str(stage)]  # type: ignore[assignment]
                branches = [look(branch, spots) for look, branch in zip(looks, branches, strict=True)]
            branches = getattr(layers, f"stage{stage + 1}")(branches)
        return dict(zip(self.channels, branches, strict=True))


def _grown(transition: nn.ModuleList, branches: Sequence[Tensor]) -> list[Tensor]:
    """One branch more, made of the deepest; those that stay as they are have nothing to pass."""
    return [
        branches[index] if isinstance(layer, nn.Identity) else layer(branches[-1])
        for index, layer in enumerate(transition)
    ]


class Look(nn.Module):
    """A branch, and what is seen in it by the light of conditions.

    Conditions are brought to the size of the branch turned by a quarter, (width, height), and read as one
    of (height, width): so they were trained, which matters where a picture is not square.
    """

    def __init__(
        self, channels: int, conditions: int, height: int, width: int, lookers: int, by_channel: bool
    ) -> None:
        super().__init__()
        self.size = height, width
        self.channels = ChannelLook(channels, conditions, height * width, lookers)
        self.cells = None if by_channel else CellLook(channels, conditions, lookers)

    def forward(self, branch: Map, spots: Map) -> Map:
        """Of the branch's shape."""
        height, width = self.size
        spots = resized(spots, width, height)
        seen: Tensor = self.channels(branch, spots)
        if self.cells is None:
            return branch * seen.reshape(branch.shape)
        both: Tensor = self.cells(branch, spots) + seen
        return branch + both.reshape(branch.shape)


class CellLook(nn.Module):
    """Every cell of the conditions asks all cells of the branch."""

    def __init__(self, channels: int, conditions: int, lookers: int) -> None:
        super().__init__()
        self.lookers = lookers
        self.of_branch = nn.Conv2d(channels, channels, 3, padding=1)
        self.of_conditions = nn.Conv2d(conditions, conditions, 3, padding=1)
        self.query = nn.Linear(conditions, lookers * channels)
        self.key, self.value = (nn.Linear(channels, lookers * channels) for _ in range(2))
        self.join = nn.Linear(lookers * channels, channels)

    def forward(self, branch: Map, spots: Map) -> Tensor:
        """(batch channel cell)."""
        cells = self.of_branch(branch).flatten(2).transpose(1, 2)
        asking = self.of_conditions(spots).flatten(2).transpose(1, 2)
        seen = _attended(self.query(asking), self.key(cells), self.value(cells), self.lookers)
        joined: Tensor = self.join(seen).transpose(1, 2)
        return joined


class ChannelLook(nn.Module):
    """Every channel of the conditions asks all channels of the branch."""

    def __init__(self, channels: int, conditions: int, cells: int, lookers: int) -> None:
        super().__init__()
        self.lookers = lookers
        self.of_branch = nn.Conv2d(channels, channels, 3, padding=1)
        self.of_conditions = nn.Conv2d(conditions, channels, 3, padding=1)
        self.join = nn.Linear(cells // lookers * lookers, cells)

    def forward(self, branch: Map, spots: Map) -> Tensor:
        """(batch channel cell)."""
        seen, asking = self.of_branch(branch).flatten(2), self.of_conditions(spots).flatten(2)
        joined: Tensor = self.join(_attended(asking, seen, seen, self.lookers))
        return joined


def _attended(query: Tensor, key: Tensor, value: Tensor, lookers: int) -> Tensor:
    """What each of `lookers` sees, side by side (batch, asking, width); scaled dot products."""
    query, key, value = (
        told.reshape(*told.shape[:2], lookers, -1).transpose(1, 2) for told in (query, key, value)
    )
    share = (query @ key.transpose(2, 3) / query.shape[-1] ** 0.5).softmax(-1)
    seen: Tensor = (share @ value).transpose(1, 2).flatten(2)
    return seen
