"""Weights of another model in a new one: whole layers, and of those of heads what has the same names."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from ethopose.core import Skeleton, SpecError
from ethopose.models.build import NetworkGraph
from ethopose.models.spec import Part, Stage
from ethopose.train.fitting import told_of

Names = Sequence[object]
Axes = dict[int, Names]  # what stands along the axes of a tensor, each in as many places
Layers = dict[str, Axes]  # by the names of a head's tensors
OF_CONDITIONS = {
    "backbone.of_conditions.0.weight": (1,),
    ".cells.of_conditions.weight": (0, 1),
    ".cells.of_conditions.bias": (0,),
    ".cells.query.weight": (1,),
    ".channels.of_conditions.weight": (1,),
}
OF_EACH = re.compile(r"(offsets_blocks|offsets_last)\.(\d+)\.(.+)$")  # layers that each keypoint has


@dataclass(frozen=True, slots=True)
class Taken:
    """What a network began with."""

    keypoints: tuple[str, ...]  # that were known
    anew: tuple[str, ...]  # layers of heads of which nothing was
    left: tuple[str, ...]  # heads of the other that it lacks

    def told(self) -> str:
        """For people: what the other one knows, and what not."""
        lists = {"anew": self.anew, "left out": self.left}
        known = f"knows {', '.join(self.keypoints) or 'no keypoint'}"
        return "; ".join([known, *(f"{what}: {', '.join(names)}" for what, names in lists.items() if names)])


@dataclass(frozen=True, slots=True)
class Told:
    """A head of a stage, and the names of what it tells of."""

    number: int
    part: Part
    keypoints: tuple[str, ...]
    individuals: tuple[str, ...]

    @property
    def layers(self) -> Layers:
        """What stands along the axes of its tensors; none of those that are for all."""
        return LAYERS[self.part.name](self) if self.part.name in LAYERS else {}

    @property
    def edges(self) -> list[tuple[str, str]]:
        """By the names of their ends."""
        return [(self.keypoints[a], self.keypoints[b]) for a, b in self.part.options["edges"]]


def take_over(
    graph: NetworkGraph,
    given: tuple[Stage, Skeleton],
    weights: Mapping[str, Tensor],
    wanted: tuple[Stage, Skeleton],
) -> Taken:
    """Copy the weights of a `given` stage into the network of the `wanted` one.

    Raises:
        SpecError: a layer below the heads has another shape.
    """
    state = graph.state_dict()
    for name, tensor in weights.items():
        if name.startswith("heads."):
            continue
        if of_conditions := _of_conditions(name):
            read = [Axes(dict.fromkeys(of_conditions, told[1].keypoints)) for told in (given, wanted)]
            _copy(state[name], tensor, *read)
        elif state[name].shape != tensor.shape:
            raise SpecError(f"the weights do not fit: {name} is {tuple(tensor.shape)}")
        else:
            state[name] = tensor
    theirs, ours, begun = _heads(*given), _heads(*wanted), set[str]()
    for name in theirs.keys() & ours.keys():
        begun |= _take_head(state, ours[name], weights, theirs[name])
    graph.load_state_dict(state)
    new = [name for name in state if name.startswith("heads.") and name not in begun]
    anew = dict.fromkeys(name.rpartition(".")[0] for name in new if not OF_EACH.search(name))
    known = tuple(name for name in wanted[1].keypoints if name in given[1].keypoints)
    return Taken(known, tuple(anew), tuple(name for name in theirs if name not in ours))


def _of_conditions(layer: str) -> tuple[int, ...]:
    """The axes of a backbone's tensor along which stand the keypoints that it is told."""
    return next((axes for end, axes in OF_CONDITIONS.items() if layer.endswith(end)), ())


def _heads(stage: Stage, skeleton: Skeleton) -> dict[str, Told]:
    """By what they are; of centroids, which have one name everywhere, no other names count."""
    heads = stage.network.heads
    centroid = stage.grouping.name == "one_per_peak"
    return {
        head.name: Told(
            number,
            head,
            ("centroid",) if centroid else told_of(head, heads, skeleton),
            skeleton.individuals,
        )
        for number, head in enumerate(heads)
    }


def _take_head(state: dict[str, Tensor], mine: Told, weights: Mapping[str, Tensor], theirs: Told) -> set[str]:
    """Names of the tensors of which something was taken."""
    begun, old, new = set(), theirs.layers, mine.layers
    prefix = f"heads.{theirs.number}."
    for name, tensor in weights.items():
        layer = name.removeprefix(prefix)
        if layer == name:
            continue
        target = f"heads.{mine.number}.{_renamed(layer, theirs.keypoints, mine.keypoints)}"
        axes = old.get(layer, {}), new.get(layer, {})
        if target in state and _copy(state[target], tensor, *axes):
            begun.add(target)
    return begun


def _renamed(layer: str, old: Names, new: Names) -> str | None:
    """A layer of one keypoint, by that keypoint's number; None where it is not there."""
    match = OF_EACH.search(layer)
    if match is None:
        return layer
    name = old[int(match[2])]
    return f"{match[1]}.{new.index(name)}.{match[3]}" if name in new else None


def _copy(target: Tensor, source: Tensor, old: Axes, new: Axes) -> bool:
    """Copy what has the same names, of the first two axes; gives whether there is any."""
    if target.ndim != source.ndim or target.shape[2:] != source.shape[2:]:
        return False
    to, of = [], []
    for axis in range(min(source.ndim, 2)):
        sizes = source.shape[axis], target.shape[axis]
        pair = _places((old.get(axis, range(sizes[0])), new.get(axis, range(sizes[1]))), sizes)
        if not pair or (axis not in old and sizes[0] != sizes[1]):
            return False
        of.append(pair[0])
        to.append(pair[1])
    if not to:
        target.copy_(source)
    elif len(to) == 1:
        target[to[0]] = source[of[0]]
    else:
        target[to[0][:, None], to[1]] = source[of[0][:, None], of[1]]
    return True


def _places(
    names: tuple[Names, Names], sizes: tuple[int, int]
) -> tuple[Int64[Tensor, "place"], Int64[Tensor, "place"]] | None:
    """Where in both lie the names that both have; each name has as many places, one after the other."""
    old, new = names
    both = [(old.index(name), place) for place, name in enumerate(new) if name in old]
    each = sizes[0] // len(old) if old else 0
    if not both or each * len(old) != sizes[0] or each * len(new) != sizes[1]:
        return None
    steps = torch.arange(each)
    of, to = (torch.tensor(numbers)[:, None] * each + steps for numbers in zip(*both, strict=True))
    return of.flatten(), to.flatten()


def _layer(name: str, rows: Names | None, columns: Names | None = None, *, grows: bool = False) -> Layers:
    """A layer whose outputs and inputs stand for these; transposed, where it grows."""
    axes = enumerate((columns, rows) if grows else (rows, columns))
    weight = {axis: names for axis, names in axes if names is not None}
    return {f"{name}.weight": weight, f"{name}.bias": {} if rows is None else {0: rows}}


def _growth(name: str, growth: Mapping[str, Any], rows: Names, columns: Names | None = None) -> Layers:
    """Layers of which the first reads `columns` and the last tells of `rows`."""
    names = [(f"{name}.grow.{2 * number}", True) for number in range(len(growth.get("channels", ())))]
    names += [(f"{name}.last", False)] if growth.get("last") else []
    ends = [*[None] * (len(names) - 1), rows]
    begins = [columns, *[None] * (len(names) - 1)]
    each = zip(names, ends, begins, strict=True)
    return _all(_layer(layer, end, begin, grows=grows) for (layer, grows), end, begin in each)


def _all(layers: Any) -> Layers:
    return dict(chain.from_iterable(each.items() for each in layers))


def _located(told: Told) -> Layers:
    options = told.part.options
    names = [name for name in ("maps", "offsets") if options.get(name)]
    return _all(_growth(name, options[name], told.keypoints) for name in names)


def _staged(told: Told) -> Layers:
    """What stages read is maps, then fields, then features."""
    options, edges, keypoints = told.part.options, told.edges, told.keypoints
    fields = [(*edge, axis) for edge in edges for axis in "xy"]
    stages = options.get("stages", 5)
    read = [*keypoints, *fields, *range(options.get("features", 128))] if stages else None
    refined = {"maps": keypoints} | ({"fields": edges} if edges else {})
    steps = [
        _layer(f"refine.{number}.{name}", rows, read)
        for number in range(stages)
        for name, rows in refined.items()
    ]
    begun = {**refined, "offsets": keypoints}
    begin = [_layer(f"begin.{name}", rows, grows=True) for name, rows in begun.items()]
    grown = [_growth(name, options[name], rows, read) for name, rows in refined.items()]
    offsets = _growth("offsets", options["offsets"], keypoints, keypoints if stages else None)
    return _all([*steps, *begin, *grown, offsets])


def _centred(told: Told) -> Layers:
    """The last map is of centres."""
    norm = ("0.weight", "1.weight", "1.bias", "1.running_mean", "1.running_var")
    begin: Layers = {f"offsets_in.{name}": {0: told.keypoints} for name in norm}
    return begin | _layer("maps_last", [*told.keypoints, None])


def _tokens(told: Told) -> Layers:
    """Where tokens lie is learned of keypoints, then of patches."""
    options = told.part.options
    layers: Layers = {"token": {1: told.keypoints}}
    if options.get("position") == "learned":
        sides = zip(options["cells"], options.get("patch", (4, 4)), strict=True)
        patches = math.prod(side // size for side, size in sides)
        layers["place"] = {1: [*told.keypoints, *range(patches)]}
    return layers


def _of_keypoints(*layers: str) -> Callable[[Told], Layers]:
    return lambda told: _all(_layer(name, told.keypoints) for name in layers)


def _of_individuals(layer: str) -> Callable[[Told], Layers]:
    return lambda told: _layer(layer, told.individuals)


LAYERS: dict[str, Callable[[Told], Layers]] = {
    "probability_map": _of_keypoints("layer", "visible"),
    "confidence_map": _of_keypoints("layer", "offsets"),
    "simcc": _of_keypoints("layer"),
    "attended_simcc": _of_keypoints("layer"),
    "part_affinity": lambda told: _layer("layer", told.edges),
    "class_map": _of_individuals("layer"),
    "class_vector": _of_individuals("last"),
    "located_map": _located,
    "unique_map": _located,
    "identity_map": lambda told: _growth("maps", told.part.options["maps"], told.individuals),
    "staged_fields": _staged,
    "centre_offsets": _centred,
    "token_map": _tokens,
}
