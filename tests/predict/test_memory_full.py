"""A device whose memory does not hold a batch gets smaller ones, from the frame where it ended."""

import numpy as np
import pytest
import torch

import ethopose
from ethopose.core import MemoryFullError
from ethopose.models.build import NetworkGraph

SETTINGS = {"runtime": "torch", "device": "cpu", "threads": 1, "batch_size": 8, "format": "none"}


class Room:
    """Memory for so many pictures."""

    def __init__(self, monkeypatch, pictures: int) -> None:
        self.seen: list[int] = []
        forward = NetworkGraph.forward

        def limited(graph: NetworkGraph, given: torch.Tensor):
            self.seen.append(len(given))
            if len(given) > pictures:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return forward(graph, given)

        monkeypatch.setattr(NetworkGraph, "forward", limited)


@pytest.mark.parametrize("kind", ["single", "bottom-up", "top-down"])
def test_batches_are_halved_and_no_frame_is_lost(kind, clip, tiny, tmp_path, monkeypatch, caplog):
    whole = ethopose.predict(clip, tiny(kind), out=tmp_path / "whole", **SETTINGS)
    room = Room(monkeypatch, 2)
    halved = ethopose.predict(clip, tiny(kind), out=tmp_path / "halved", **SETTINGS)
    assert max(room.seen) == 8
    assert set(room.seen[8:]) <= {1, 2, 4}
    assert halved.frames.frame.tolist() == list(range(64))
    np.testing.assert_array_equal(halved.frame, whole.frame)
    np.testing.assert_allclose(halved.xy, whole.xy, atol=1e-3)
    assert "going on with half as many frames at a time" in caplog.text


def test_a_frame_that_does_not_fit_alone_is_told(clip, tiny, tmp_path, monkeypatch):
    Room(monkeypatch, 0)
    with pytest.raises(MemoryFullError, match="the device is out of memory; fix: choose a smaller"):
        ethopose.predict(clip, tiny(), out=tmp_path / "r", **SETTINGS)
