"""UNets with a stem give the features of sleap-nn 0.3.5, from its own names of weights."""

import numpy as np
import pytest
import torch

from ethopose.core import SpecError
from ethopose.families.sleap_nn_weights import stage_weights
from ethopose.models.backbones.unet import UNet

OPTIONS = {"in_channels": 1, "filters": 4, "filters_rate": 1.5, "max_stride": 16, "output_stride": 2}


@pytest.mark.parametrize("up_interpolate", [True, False])
def test_a_unet_with_a_stem_gives_the_features_of_the_peer(recorded, tmp_path, up_interpolate):
    told = {
        name.removeprefix(f"unet {up_interpolate}/"): torch.from_numpy(array)
        for name, array in recorded.items()
        if name.startswith(f"unet {up_interpolate}/")
    }
    state = {
        name.replace("weight ", "model.backbone.", 1): tensor.float()
        for name, tensor in told.items()
        if name.startswith("weight ")
    }
    torch.save({"state_dict": state}, tmp_path / "best.ckpt")
    network = UNet(**OPTIONS, stem_stride=2, up_interpolate=up_interpolate).eval()
    weights = stage_weights(tmp_path / "best.ckpt")
    network.load_state_dict({name.removeprefix("backbone."): tensor for name, tensor in weights.items()})
    with torch.no_grad():
        features = network(told["picture"] / 255)
    assert set(network.channels) == set(features)
    outputs = {int(name.removeprefix("out ")): told[name] for name in told if name.startswith("out ")}
    assert set(outputs) | {network.middle_stride} == set(features)
    for stride, wanted in {network.middle_stride: told["middle"], **outputs}.items():
        assert features[stride].shape[1] == network.channels[stride]
        torch.testing.assert_close(features[stride], wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"max_stride": 12}, "max_stride is 12"),
        ({"output_stride": 32}, "no UNet has"),
        ({"max_stride": 2, "stem_stride": 2}, "no UNet has"),
        ({"convs_per_block": 1}, "convs_per_block"),
    ],
)
def test_a_unet_that_cannot_be_is_refused(options, why):
    with pytest.raises(SpecError, match=why):
        UNet(**{**OPTIONS, **options})


@pytest.mark.parametrize("size", [(16, 48), (33, 50)])
@pytest.mark.parametrize("output_stride", [1, 4, 16])
def test_features_lie_at_the_strides_that_a_unet_names(size, output_stride):
    network = UNet(**{**OPTIONS, "output_stride": output_stride})
    with torch.no_grad():
        features = network(torch.zeros(1, 1, *size))
    assert min(features) == output_stride
    for stride, map_ in features.items():
        assert map_.shape == (1, network.channels[stride], *(int(np.ceil(side / stride)) for side in size))
