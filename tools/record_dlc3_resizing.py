"""Record what DeepLabCut 3.0.1 makes of a picture that its configuration resizes. For its own environment.

    python tools/record_dlc3_resizing.py PICTURE tests/models/golden/resizing.npz

The picture is odd_121x90.png of the recordings.
"""

import sys

import cv2
import numpy as np
from deeplabcut.pose_estimation_pytorch.data.preprocessor import build_bottom_up_preprocessor
from deeplabcut.pose_estimation_pytorch.data.transforms import build_transforms

CASES = {
    "shape changed": {"resize": {"height": 97, "width": 131, "keep_ratio": False}},
    "shape kept": {"resize": {"height": 80, "width": 90}},
    "longest": {"longest_max_size": 61},
    "both": {"resize": {"height": 77, "width": 333}, "longest_max_size": 150},
    "longer": {"longest_max_size": 131},
}


def main(picture: str, out: str) -> None:
    image = cv2.cvtColor(cv2.imread(picture), cv2.COLOR_BGR2RGB)
    recorded = {}
    for name, told in CASES.items():
        tensor, context = build_bottom_up_preprocessor("RGB", build_transforms(told))(image, {})
        recorded[f"{name}/picture"] = tensor[0].numpy().transpose(1, 2, 0).astype(np.uint8)
        recorded[f"{name}/scales"] = np.array(context["scales"])
        assert context["offsets"] == (0, 0)
    np.savez_compressed(out, **recorded)


if __name__ == "__main__":
    main(*sys.argv[1:])
