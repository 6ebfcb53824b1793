"""Heads and groupings of another model, brought to the keypoints, edges and individuals of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ethopose.core import Skeleton
from ethopose.models.spec import Conditioning, Part, Stage
from ethopose.train.facts import Facts

OF_NOBODY = "unique_map"  # the head of keypoints that belong to no animal
# groupings that a stage has by its kind
USUAL = ("one_each", "one_per_peak", "affinity", "class_map", "class_vector")

Edge = Sequence[int]


def told_of(head: Part, heads: Sequence[Part], skeleton: Skeleton) -> tuple[str, ...]:
    """The keypoints that a head tells of: those of no animal have one of their own, if any of `heads` is."""
    if OF_NOBODY not in {each.name for each in heads}:
        return skeleton.keypoints
    alone = head.name == OF_NOBODY
    return tuple(name for name in skeleton.keypoints if (name in skeleton.unique) == alone)


def fitted(stage: Stage, known: Skeleton, facts: Facts, name: str) -> tuple[tuple[Part, ...], Part | None]:
    """Heads and grouping of another model's stage, which knows the skeleton `known`, for these labels; no
    grouping where a stage of that name has it anyway.

    A head of keypoints that belong to no animal is left out where the labels have none.
    """
    given, new = stage.network.heads, facts.skeleton
    kept = [head for head in given if head.name != OF_NOBODY or told_of(head, given, new)]
    heads = []
    for head in kept:
        if name == "centroid":
            heads.append(head)
        else:
            names = told_of(head, given, known), told_of(head, kept, new)
            heads.append(_fitted_head(head, *names, facts))
    return tuple(heads), _fitted_grouping(stage.grouping, heads, facts)


def fitted_backbone(backbone: Part, facts: Facts) -> Part:
    """A backbone that is told conditions is told those of the labels' keypoints."""
    if "conditions" not in backbone.options:
        return backbone
    return Part(name=backbone.name, options=backbone.options | {"conditions": facts.keypoints})


def fitted_conditions(given: Conditioning, facts: Facts) -> Conditioning:
    """As crops are cut, with names for as many animals as the labels show, or as it has."""
    made = tuple(f"individual{number + 1}" for number in range(facts.animals))
    enough = given.individuals if len(given.individuals) >= facts.animals else made
    return given.model_copy(update={"bounds": None, "individuals": facts.skeleton.individuals or enough})


def _fitted_head(head: Part, old: Sequence[str], new: Sequence[str], facts: Facts) -> Part:
    given, classes = head.options, len(facts.skeleton.individuals)
    own: dict[str, Any] = {"keypoints": len(new), "classes": classes}
    own |= {key: max(given.get(key) or 0, facts.animals) for key in ("animals", "peaks_kept")}
    if "edges" in given:
        own |= _joined(given, old, new, facts)
    options = given | {key: value for key, value in own.items() if key in given}
    wide = {
        "maps": classes if "classes" in given else len(new),
        "offsets": 2 * len(new),
        "fields": 2 * len(options.get("edges", ())),
    }
    grown = {key: _grown(given[key], n) for key, n in wide.items() if isinstance(given.get(key), Mapping)}
    return Part(name=head.name, options=options | grown)


def _grown(growth: Mapping[str, Any], channels: int) -> dict[str, Any]:
    """The same layers, of which the last gives so many channels."""
    if last := growth.get("last"):
        return {**growth, "last": [channels, last[1]]}
    return {**growth, "channels": [*growth["channels"][:-1], channels]}


def _joined(given: Mapping[str, Any], old: Sequence[str], new: Sequence[str], facts: Facts) -> dict[str, Any]:
    """Edges, and which of them are scored. Where they need not be a tree, those stay whose ends are still
    there, and what joins the rest is added."""
    tree = [edge for edge in facts.edges if max(edge) < len(new)]
    if "fields" not in given:
        return {"edges": tree}
    edges, kept = given["edges"], given.get("kept")
    if list(old) == list(new):
        return {"edges": edges, "kept": kept}
    scored = range(len(edges)) if kept is None else kept
    place = {number: new.index(name) for number, name in enumerate(old) if name in new}
    there = [(place[edges[n][0]], place[edges[n][1]]) for n in scored if {*edges[n]} <= place.keys()]
    more = [edge for edge in tree if edge not in there and edge[::-1] not in there]
    return {"edges": there + more, "kept": None}


def _fitted_grouping(grouping: Part, heads: Sequence[Part], facts: Facts) -> Part | None:
    if grouping.name in USUAL:
        return None
    if grouping.name == "together":
        return _fitted_together(grouping.options, heads, facts)
    options = grouping.options
    own: dict[str, Any] = {"animals": max(options.get("animals") or 0, facts.animals)}
    for head in heads:
        if "fields" in head.options:
            kept, edges = head.options.get("kept"), head.options["edges"]
            own |= {"keypoints": head.options["keypoints"]}
            own |= {"edges": edges if kept is None else [edges[number] for number in kept]}
    fitting = {key: value for key, value in own.items() if key in options}
    return Part(name=grouping.name, options=options | fitting)


def _fitted_together(options: Mapping[str, Any], heads: Sequence[Part], facts: Facts) -> Part | None:
    given = Part.model_validate(options["animals"])
    animals = _fitted_grouping(given, heads, facts)
    individuals = len(facts.skeleton.individuals) if options.get("individuals") else 0
    unique = sum(head.options["keypoints"] for head in heads if head.name == OF_NOBODY)
    if not individuals and not unique:
        return animals
    beside = {"individuals": individuals, "unique": unique}
    return Part(name="together", options={"animals": (animals or given).model_dump(), **beside})
