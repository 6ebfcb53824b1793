"""Which heads a stage has unless it is told, and the size of what they are trained to draw."""

from __future__ import annotations

from ethopose.core import SpecError
from ethopose.models.spec import Part
from ethopose.train.facts import Facts
from ethopose.train.fitting import OF_NOBODY, told_of

STRIDE, FIELD_STRIDE = 4, 8  # of maps and of part affinity fields
SIGMA = 0.75, 1.5  # cells, of a map's peaks: least and most
SPREAD = 0.1  # of an animal's length: sigma between the two
LIMB = 0.04  # of an animal's length: half the width of what joins two keypoints


def sigma(name: str, length: float) -> float:
    """Cells, for animals of `length` px in the picture: peaks smaller than what they mark, and no less
    than a cell's size. The middle of an animal is no exact place: there it is the most."""
    least, most = SIGMA
    return most if name == "centroid" else round(min(max(SPREAD * length / STRIDE, least), most), 2)


def usual_heads(name: str, facts: Facts, scale: float, *, identity: bool) -> tuple[Part, ...]:
    """The heads of a stage of that name that sees pictures at `scale`."""
    keypoints, classes = facts.keypoints, len(facts.skeleton.individuals)
    length = facts.length * scale
    peaks = {"stride": STRIDE, "sigma": sigma(name, length)}
    if name in ("single", "instance", "conditional"):
        place = Part(name="probability_map", options={"keypoints": keypoints, **peaks})
        who = Part(name="class_vector", options={"classes": classes})
        return (place, who) if identity and name == "instance" else (place,)
    maps = {**peaks, "sigmoid": True, "refinement": "gaussian"}
    if name == "centroid":
        return (Part(name="confidence_map", options={"keypoints": 1, **maps}),)
    places = Part(name="confidence_map", options={"keypoints": keypoints, **maps})
    if identity:
        return places, Part(name="class_map", options={"classes": classes, "stride": STRIDE})
    half_width = max(LIMB * length, FIELD_STRIDE / 2)
    fields = {"edges": facts.edges, "stride": FIELD_STRIDE, "sigma": round(0.85 * half_width**2, 2)}
    return places, Part(name="part_affinity", options={**fields, "loss": {"fields": "relative_mse"}})


def picture_size(heads: tuple[Part, ...], backbone: Part | None) -> tuple[int, int] | None:
    """(height, width) of the only pictures that heads or a backbone read, px; None where they read any."""
    for options in (part.options for part in (*heads, *([backbone] if backbone else ()))):
        sides = options.get("size") or [cells * options["source"] for cells in options.get("cells", ())]
        if sides:
            return sides[0], sides[1]
    return None


def refuse_misfits(heads: tuple[Part, ...], facts: Facts, name: str) -> None:
    """Raises SpecError where a head was given for another number of keypoints or individuals, or keypoints
    that belong to no animal have none, or do not come last."""
    keypoints = facts.skeleton.keypoints
    alone = [each for each in keypoints if each in facts.skeleton.unique]
    if alone and name != "centroid" and OF_NOBODY not in {part.name for part in heads}:
        what = f"{name}: no head is for keypoints that belong to no animal: {', '.join(alone)}"
        raise SpecError(
            what, fix=f"name a {OF_NOBODY} and what tells them apart, or leave those keypoints out"
        )
    for part in heads:
        told = keypoints[:1] if name == "centroid" else told_of(part, heads, facts.skeleton)
        if part.name == OF_NOBODY and keypoints[-len(told) :] != told:
            what = (
                f"{name}: keypoints that belong to no animal come last: {', '.join(told) or 'there are none'}"
            )
            raise SpecError(what, fix="order the labels' keypoints, or leave the head out")
        counts = {"keypoints": len(told), "classes": len(facts.skeleton.individuals)}
        for option, count in counts.items():
            if (given := part.options.get(option, count)) != count:
                raise SpecError(
                    f"{name}: the head {part.name} is for {given} {option}, the labels have {count}"
                )
