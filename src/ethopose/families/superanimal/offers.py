"""Which SuperAnimal models there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from ethopose.core import UsageError


@dataclass(frozen=True, slots=True)
class Offer:
    """A network for some kind of animal, and the detectors that it may be run with, the usual one first."""

    animal: str
    network: str
    detectors: tuple[str, ...]
    keypoints: tuple[str, ...]
    repository: str
    edges: tuple[tuple[str, str], ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)  # by network, where not named after the animal
    elsewhere: Mapping[str, str] = field(default_factory=dict)  # addresses of torchvision's own detectors

    @property
    def name(self) -> str:
        """As DeepLabCut calls it."""
        return f"{self.animal}_{self.network}"

    def stored(self, network: str) -> str:
        """The file of the repository that the weights of a network or detector lie in."""
        return self.files.get(network, f"{self.animal}_{network}.pt")


@cache
def offers() -> dict[str, Offer]:
    """All of them, by name."""
    return {offer.name: offer for offer in _read()}


def offer(name: str, detector: str | None = None) -> tuple[Offer, str]:
    """The one of a name, and its detector: the one named, or the usual one.

    Raises:
        UsageError: there is none; names that are like it are told.
    """
    if name not in offers():
        near = get_close_matches(name, offers(), n=3, cutoff=0.5) or list(offers())
        raise UsageError(f"no model is named {name!r}", fix=f"choose {', '.join(near)}")
    found = offers()[name]
    if detector is not None and detector not in found.detectors:
        what = f"{name} has no detector named {detector!r}"
        raise UsageError(what, fix=f"choose {', '.join(found.detectors)}")
    return found, detector or found.detectors[0]


def _read() -> Iterator[Offer]:
    import yaml

    text = (files("ethopose.families.superanimal") / "models.yaml").read_text(encoding="utf-8")
    told: dict[str, dict[str, Any]] = yaml.safe_load(text)
    for animal, facts in told.items():
        for network in facts["networks"]:
            yield Offer(
                animal=animal,
                network=network,
                detectors=tuple(facts["detectors"]),
                keypoints=tuple(facts["keypoints"]),
                repository=facts["repository"],
                edges=tuple((first, second) for first, second in facts.get("edges", ())),
                files=facts.get("files", {}),
                elsewhere=facts.get("elsewhere", {}),
            )
