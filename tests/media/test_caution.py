"""Packets that no decoder survives are told before they are decoded, and left out when they are known."""

import numpy as np
import pytest
from media_samples import MAKERS, N, read_all

from ethopose.media import Caution, open_video

NO_PACKETS = ("one frame",)


@pytest.mark.parametrize("kind", [kind for kind in MAKERS if kind not in NO_PACKETS])
def test_each_packet_is_told_once_in_the_order_of_the_file(kind, videos):
    told: list[int] = []
    video = open_video(videos(kind), caution=Caution(told=told.append))
    told.clear()  # the first frames were looked at
    read_all(video)
    assert told == list(range(len(told)))
    assert len(told) >= N


@pytest.mark.parametrize("kind", ["avi, mjpeg", "images", "mp4", "avi, mpeg4"])
@pytest.mark.parametrize("packet", [5, 20])
def test_a_packet_that_is_left_out_costs_its_frame_and_moves_no_other(kind, packet, videos):
    whole, _ = read_all(open_video(videos(kind)))
    images, status = read_all(open_video(videos(kind), caution=Caution(avoid=frozenset([packet]))))
    assert len(images) == N
    assert status.sum() >= 1
    assert not images[status == 1].any()
    alone = kind in ("avi, mjpeg", "images")  # where no frame is made from another
    assert not alone or np.flatnonzero(status).tolist() == [packet]
    same = (images == whole).all((1, 2, 3))
    assert same[:packet].sum() >= packet - 4  # frames shown before it may be stored behind it
    assert same.sum() >= (N - 1 if alone else packet - 4)
