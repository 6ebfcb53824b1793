"""What every backbone and neck promises: strides, channels, gradients, options that are explained."""

import inspect

import pytest
import torch

from ethopose.core import SpecError
from ethopose.models.backbones import BACKBONES
from ethopose.models.backbones.timm import RECOMMENDED, create_encoder
from ethopose.models.heads import HEADS
from ethopose.models.menu import REGISTRIES, REQUIRED, encoders, menu
from ethopose.models.necks import NECKS

OPTIONS = {
    "nano": {"width": 4, "max_stride": 16, "deeper": 1},
    "unet": {"filters": 3, "max_stride": 8, "output_stride": 2},
    "timm": {"model": "mobilenetv4_conv_small", "max_stride": 16},
    "hrnet": {"model": "hrnet_w18_small"},
    "cspnext": {"width": 0.125, "depth": 0.1},
    "dlcrnet": {"model": "resnet50", "output_stride": 16},
    "ssdlite": {},
    "pyramid": {"body": "mobilenet_v3_large"},
    "conditioned": {"conditions": 2, "inner": "cspnext", "options": {"width": 0.125, "depth": 0.1}},
    "conditioned_hrnet": {"conditions": 2, "size": (32, 64), "model": "hrnet_w18_small"},
}
SIZES = [(32, 48), (33, 50)]
# options that mean the same in every head: ethopose.models.heads.head
SHARED = {"keypoints", "classes", "edges", "stride", "loss", "weight"}


@pytest.fixture(scope="module", params=BACKBONES)
def backbone(request):
    torch.manual_seed(0)
    return BACKBONES.build(request.param, **OPTIONS[request.param], in_channels=1)


def picture(backbone, *size: int) -> torch.Tensor:
    """Two by chance, with conditions where they are read, of the one size that some are made for."""
    channels = backbone.in_channels + getattr(backbone, "conditions", 0)
    return torch.rand(2, channels, *(getattr(backbone, "size", None) or size))


@pytest.mark.parametrize("size", SIZES)
def test_features_lie_at_the_strides_that_a_backbone_names(backbone, size):
    seen = picture(backbone, *size)
    with torch.no_grad():
        features = backbone(seen)
    assert set(features) == set(backbone.channels)
    for stride, map_ in features.items():
        assert map_.shape == (2, backbone.channels[stride], *(-(-side // stride) for side in seen.shape[2:]))


def test_a_gradient_reaches_every_parameter_of_a_backbone(backbone):
    backbone.zero_grad()
    features = backbone(picture(backbone, 32, 48))
    sum(map_.square().sum() for map_ in features.values()).backward()
    unreached = [name for name, weight in backbone.named_parameters() if weight.grad is None]
    assert unreached == []


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", BACKBONES)
def test_a_backbone_reads_gray_and_colour(name, channels):
    built = BACKBONES.build(name, **OPTIONS[name], in_channels=channels)
    assert built.in_channels == channels
    built(picture(built, 32, 32))


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("neck", NECKS)
def test_a_neck_gives_what_it_names_and_passes_gradients_to_all_features(neck, norm):
    channels = {2: 3, 4: 4, 8: 5, 16: 6}
    built = NECKS.build(neck, channels, width=8, stride=4, norm=norm)
    sides = {stride: (-(-33 // stride), -(-50 // stride)) for stride in channels}
    features = {s: torch.rand(2, channels[s], *sides[s], requires_grad=True) for s in channels}
    mended = built(features)
    assert set(mended) == set(built.channels) == {4, 8, 16}
    assert all(map_.shape == (2, 8, *sides[stride]) for stride, map_ in mended.items())
    mended[4].square().sum().backward()
    assert all(features[stride].grad.abs().sum() > 0 for stride in (4, 8, 16))
    assert all(weight.grad is not None for weight in built.parameters())


def test_a_neck_refuses_a_stride_that_the_backbone_lacks():
    with pytest.raises(SpecError, match=r"no features of stride 1; the backbone gives \[2, 4\]"):
        NECKS.build("fpn", {2: 3, 4: 3}, stride=1)


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_pictures_normalised_by_groups_do_not_see_each_other(norm):
    torch.manual_seed(0)
    built = BACKBONES.build("nano", width=16, max_stride=4, norm=norm)
    pictures = torch.rand(2, 1, 16, 16)
    other = torch.cat((pictures[:1], 1 - pictures[1:]))
    same = torch.equal(built(pictures)[4][0], built(other)[4][0])
    assert same == (norm == "group")


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("nano", {"max_stride": 64}, "max_stride is 64"),
        ("nano", {"max_stride": 12}, "max_stride is 12"),
        ("nano", {"norm": "layer"}, "no normalisation is named 'layer'"),
        ("timm", {"model": "resnet19"}, "no encoder named 'resnet19'.*resnet18"),
        ("timm", {"model": "hf_hub:timm/resnet18.a1_in1k"}, "no encoder named"),
        ("timm", {"model": "local-dir:/tmp"}, "no encoder named"),
        ("timm", {"model": "resnet18.no_such_tag"}, "tag"),
        ("timm", {"model": "vit_tiny_patch16_224"}, "no features at several strides"),
        ("timm", {"model": "resnet18", "max_stride": 1}, "no features of stride 1 or less"),
        ("timm", {}, "model.*it takes"),
    ],
)
def test_a_backbone_that_cannot_be_is_refused_with_what_can(name, options, why):
    with pytest.raises(SpecError, match=why):
        BACKBONES.build(name, **options)


def test_a_timm_encoder_is_cut_at_its_deepest_stride_and_is_smaller_for_it():
    shallow, deep = (
        BACKBONES.build("timm", model="resnet18", max_stride=stride, in_channels=1) for stride in (8, 32)
    )
    assert set(shallow.channels) == {2, 4, 8}
    assert set(deep.channels) == {2, 4, 8, 16, 32}
    sizes = [sum(weight.numel() for weight in built.parameters()) for built in (shallow, deep)]
    assert 4 * sizes[0] < sizes[1]


def test_a_timm_encoder_sees_pictures_as_imagenet_was_normalised():
    torch.manual_seed(0)
    built = BACKBONES.build("timm", model="mobilenetv4_conv_small", max_stride=2).eval()
    picture = torch.rand(1, 3, 32, 32)
    mean, std = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))
    normal = (picture - mean[:, None, None]) / std[:, None, None]
    torch.testing.assert_close(built(picture)[2], built.encoder(normal)[0])
    assert not {"mean", "std"} & built.state_dict().keys(), "they follow from the name"


def test_the_recommended_encoders_are_of_the_size_that_is_told():
    with torch.device("meta"):
        for name, millions in RECOMMENDED.items():
            encoder = create_encoder(name, 3)
            told = sum(weight.numel() for weight in encoder.parameters()) / 1e6
            assert told == pytest.approx(millions, abs=0.051), name
            assert encoder.feature_info.reduction()[-1] == 32


@pytest.mark.parametrize("registry", [BACKBONES, NECKS, HEADS], ids=lambda registry: registry.kind)
def test_every_option_of_a_part_is_explained_in_its_docstring(registry):
    for name, part in registry.items():
        text = inspect.getdoc(part)
        options = {offer.name: offer.options for offer in menu() if offer.kind == registry.kind}[name]
        assert [option for option in options.keys() - SHARED if f"`{option}`" not in text] == [], name


def test_the_menu_lists_every_part_once_with_its_options():
    offers = menu()
    assert [(offer.kind, offer.name) for offer in offers] == [
        (registry.kind, name) for registry in REGISTRIES for name in registry
    ]
    assert all(offer.text.endswith((".", ":")) for offer in offers)
    nano, maps = (
        next(offer for offer in offers if offer.name == name) for name in ("nano", "probability_map")
    )
    assert nano.options == {"width": 24, "max_stride": 32, "deeper": 0, "norm": "batch"}
    assert maps.options["keypoints"] == REQUIRED
    assert encoders().number > 1000


@pytest.mark.parametrize("words", [["--local"], []])
def test_the_command_lists_the_menu_for_people_and_programs(ethopose_says, words):
    import json

    people, programs = (
        ethopose_says("models", "list", *words),
        ethopose_says("models", "list", *words, "--json"),
    )
    assert people.code == programs.code == 0
    told = json.loads(programs.out)
    assert [part["name"] for part in told["parts"]] == [offer.name for offer in menu()]
    assert all(f"{part['kind']} {part['name']}" in people.out for part in told["parts"])
    assert all(name in people.out for name in RECOMMENDED)
    assert ("SLEAP-NN" in people.out) == ("families" in told) == (not words)


def test_what_the_command_does_not_know_is_wrong_use(ethopose_says):
    said = ethopose_says("models", "pull")
    assert said.code == 2
    assert "ethopose models list" in said.err
