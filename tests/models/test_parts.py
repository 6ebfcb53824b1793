"""Parts by name, specs that cannot change, and the colours that a network reads."""

import pytest
import torch
from pydantic import ValidationError

from ethopose.core import Skeleton, SpecError
from ethopose.models.backbones import BACKBONES
from ethopose.models.build import NetworkGraph, build, build_wide
from ethopose.models.grouping import GROUPINGS
from ethopose.models.heads import HEADS
from ethopose.models.registry import Registry
from ethopose.models.spec import ModelSpec, Network, Part, Preparation, Stage

UNET = Part(name="unet", options={"filters": 3, "max_stride": 4, "output_stride": 2})
MAPS = Part(name="confidence_map", options={"keypoints": 2, "stride": 2})


def stage(*, head: Part = MAPS, channels: int = 1, grouping: str = "one_each") -> Stage:
    network = Network(in_channels=channels, backbone=UNET, heads=(head,))
    return Stage(preparation=Preparation(), network=network, grouping=Part(name=grouping))


def spec(**told: object) -> ModelSpec:
    given = {"name": "a", "family": "b", "kind": "c", "skeleton": Skeleton(("d", "e")), "stages": (stage(),)}
    return ModelSpec(**given | told)


@pytest.mark.parametrize("registry", [BACKBONES, HEADS, GROUPINGS], ids=lambda registry: registry.kind)
def test_an_unknown_part_is_refused_with_the_menu(registry):
    with pytest.raises(SpecError, match=f"no {registry.kind} is named 'none'.*{next(iter(registry))}"):
        registry.build("none")


def test_an_unknown_or_missing_option_is_refused_with_what_there_is():
    with pytest.raises(SpecError, match=r"filter_rate.*it takes.*filters_rate"):
        BACKBONES.build("unet", filter_rate=2)
    with pytest.raises(SpecError, match=r"keypoints.*it takes"):
        HEADS.build("confidence_map", {2: 3}, stride=2)


def test_a_part_of_ones_own_is_built_by_its_name():
    registry = Registry("toy", {"old": dict})

    @registry.add("new")
    def make(*, size: int = 1) -> list[int]:
        return [0] * size

    assert registry.build("new", size=2) == [0, 0]
    assert make(size=1) == [0]
    with pytest.raises(SpecError, match="there is a toy named 'new' already"):
        registry.add("new")


def test_an_unknown_refinement_is_refused():
    head = Part(name="confidence_map", options={**MAPS.options, "refinement": "locref"})
    with pytest.raises(SpecError, match="locref"):
        build(stage(head=head))


def test_a_spec_cannot_be_changed_nor_hold_what_nobody_knows():
    with pytest.raises(ValidationError):
        spec().name = "other"
    with pytest.raises(ValidationError, match="colour"):
        Preparation(colour="gray")
    with pytest.raises(ValidationError):
        spec(stages=())


def test_a_digest_follows_what_is_computed_and_not_what_it_is_called():
    first = spec().digest("weights")
    assert spec(name="z", provenance={"made": "today"}).digest("weights") == first
    others = [
        spec(pixel_origin=0.5).digest("weights"),
        spec(stages=(stage(channels=3),)).digest("weights"),
        spec(skeleton=Skeleton(("e", "d"))).digest("weights"),
        spec().digest("other weights"),
        spec().digest("weights", "more"),
        spec().digest(),
    ]
    assert len({first, *others}) == 1 + len(others)


@pytest.mark.parametrize("told", [{}, {"peaks_kept": 5}], ids=["by default", "as told"])
def test_a_widened_stage_has_room_for_more_peaks(told):
    narrow = stage(head=Part(name="confidence_map", options={**MAPS.options, **told}))
    maps = torch.rand(1, 2, 80, 80)
    graphs = build(narrow), build_wide(narrow)
    kept, more = (graph.heads[0].decode({"maps": maps}, {})["value"].shape[-1] for graph in graphs)
    assert more > kept
    assert graphs[0].state_dict().keys() == graphs[1].state_dict().keys()


def test_a_gray_network_sees_the_weighted_sum_of_colours():
    graph = lively(build(stage()))
    pictures = torch.randint(0, 256, (2, 8, 12, 3), dtype=torch.uint8)
    red, green, blue = (pictures / 255).permute(3, 0, 1, 2)
    gray = 0.2989 * red + 0.587 * green + 0.114 * blue
    assert torch.allclose(graph(pictures)[0], heads_of(graph, gray[:, None]), atol=1e-4)
    assert not torch.allclose(graph(pictures)[0], heads_of(graph, red[:, None]), atol=0.1)


def test_a_colour_network_sees_gray_three_times():
    graph = lively(build(stage(channels=3)))
    pictures = torch.randint(0, 256, (2, 8, 12, 1), dtype=torch.uint8)
    image = (pictures / 255).permute(0, 3, 1, 2)
    assert torch.allclose(graph(pictures)[0], heads_of(graph, torch.cat([image] * 3, 1)), atol=1e-4)


def lively(graph: NetworkGraph) -> NetworkGraph:
    """With larger weights, so that pictures that differ give maps that differ."""
    torch.manual_seed(4)
    for weight in graph.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return graph.requires_grad_(False)


def heads_of(graph: NetworkGraph, image: torch.Tensor) -> torch.Tensor:
    return graph.heads[0](graph.backbone(image))["maps"]
