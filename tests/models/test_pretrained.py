"""Weights of ImageNet: from a file, a cache, a hub; and where there are none, that is said."""

import urllib.error
from pathlib import Path

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from timm.models import _builder

from ethopose.core import ModelError, SpecError
from ethopose.models import pretrained
from ethopose.models.backbones import BACKBONES
from ethopose.models.pretrained import Unreachable, imagenet_weights
from ethopose.models.spec import Part

MODEL = "mobilenetv4_conv_small"
ENCODER = Part(name="timm", options={"model": MODEL, "max_stride": 8})


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    """What the hub would give: a whole classifier."""
    torch.manual_seed(7)
    return timm.create_model(MODEL).state_dict()


@pytest.fixture(autouse=True)
def asked(monkeypatch) -> list[str]:
    """No cache and no network; what would have been asked of the hub."""
    asked: list[str] = []

    def no_network(address: str, timeout: float) -> None:
        asked.append(address)
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *names: None)
    monkeypatch.setattr(pretrained.urllib.request, "urlopen", no_network)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return asked


def loaded(weights, channels: int = 3) -> torch.nn.Module:
    """The backbone with these weights, each to the last."""
    built = BACKBONES.build("timm", in_channels=channels, **ENCODER.options)
    built.load_state_dict(weights, strict=True)
    return built


@pytest.fixture(params=["a.safetensors", "a.pth"])
def file(request, state, tmp_path) -> Path:
    path = tmp_path / request.param
    store(state, path)
    return path


def test_a_file_gives_its_weights_and_opens_no_socket(file, state, asked):
    built = loaded(imagenet_weights(ENCODER, 3, file))
    stem = next(iter(built.encoder.parameters()))
    assert torch.equal(stem, state["conv_stem.weight"])
    assert asked == []


def test_for_gray_pictures_the_channels_of_the_first_layer_are_summed(file, state):
    stem = next(iter(loaded(imagenet_weights(ENCODER, 1, file), channels=1).encoder.parameters()))
    torch.testing.assert_close(stem, state["conv_stem.weight"].sum(1, keepdim=True))


def test_what_the_cache_holds_is_taken_without_asking_the_hub(file, state, asked, monkeypatch):
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda repository, name: str(file))
    assert torch.equal(
        next(iter(loaded(imagenet_weights(ENCODER, 3)).encoder.parameters())), state["conv_stem.weight"]
    )
    assert asked == []


def test_a_hub_that_answers_gives_its_weights(state, monkeypatch):
    class Answer:
        def close(self) -> None: ...

    monkeypatch.setattr(pretrained.urllib.request, "urlopen", lambda address, timeout: Answer())
    monkeypatch.setattr(_builder, "load_state_dict_from_hf", lambda *name, **options: dict(state))
    stem = next(iter(loaded(imagenet_weights(ENCODER, 3)).encoder.parameters()))
    assert torch.equal(stem, state["conv_stem.weight"])


def test_no_network_is_told_with_its_reason(asked):
    told = imagenet_weights(ENCODER, 3)
    assert isinstance(told, Unreachable)
    assert "no route to host" in told.reason
    assert MODEL in told.reason
    assert len(asked) == 1


def test_a_hub_that_is_switched_off_is_not_asked(asked, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    told = imagenet_weights(ENCODER, 3)
    assert isinstance(told, Unreachable)
    assert "HF_HUB_OFFLINE" in told.reason
    assert asked == []


@pytest.mark.parametrize("error", [OSError("disk full"), KeyError("weights"), RuntimeError("404")])
def test_a_hub_that_fails_is_told_with_its_reason(error, monkeypatch):
    def refuse(*names, **options):
        raise error

    monkeypatch.setattr(pretrained, "out_of_reach", lambda: None)
    monkeypatch.setattr(_builder, "load_state_dict_from_hf", refuse)
    told = imagenet_weights(ENCODER, 3)
    assert isinstance(told, Unreachable)
    assert str(error) in told.reason


def test_a_hub_that_answers_with_an_error_is_within_reach(monkeypatch):
    def busy(address, timeout):
        raise urllib.error.HTTPError(address, 503, "busy", None, None)

    monkeypatch.setattr(pretrained.urllib.request, "urlopen", busy)
    assert pretrained.out_of_reach() is None


@pytest.mark.parametrize("name", ["nano", "unet"])
def test_a_backbone_that_nobody_trained_has_none(name, asked):
    told = imagenet_weights(Part(name=name), 1)
    assert isinstance(told, Unreachable)
    assert name in told.reason
    assert asked == []


def test_an_unknown_encoder_is_refused():
    with pytest.raises(SpecError, match="resnet18"):
        imagenet_weights(Part(name="timm", options={"model": "resnet19"}), 3)


BROKEN = {
    "gone": lambda path: None,
    "noise": lambda path: path.write_bytes(bytes(range(256)) * 9),
    "empty": lambda path: path.write_bytes(b""),
    "other weights": lambda path: store({"a": torch.zeros(2)}, path),
    "a layer is missing": lambda path: store(
        {
            name: tensor
            for name, tensor in timm.create_model(MODEL).state_dict().items()
            if "blocks.1." not in name
        },
        path,
    ),
}


def store(state: dict[str, torch.Tensor], path: Path) -> None:
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("damage", BROKEN)
def test_a_file_that_holds_no_such_weights_is_named(tmp_path, damage, suffix):
    path = tmp_path / f"a{suffix}"
    BROKEN[damage](path)
    with pytest.raises(ModelError) as told:
        imagenet_weights(ENCODER, 3, path)
    assert told.value.where == path


def test_a_file_cannot_run_code(tmp_path):
    class Attack:
        def __reduce__(self):
            return open, (str(tmp_path / "broken-in"), "w")

    torch.save({"state_dict": Attack()}, tmp_path / "a.pth")
    with pytest.raises(ModelError):
        imagenet_weights(ENCODER, 3, tmp_path / "a.pth")
    assert not (tmp_path / "broken-in").exists()


def test_a_file_of_another_kind_of_content_is_named(tmp_path):
    torch.save([1, 2], tmp_path / "a.pth")
    with pytest.raises(ModelError, match="no mapping"):
        imagenet_weights(ENCODER, 3, tmp_path / "a.pth")
