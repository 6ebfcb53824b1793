"""Pictures: what must be seen, and where."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ethopose.core import EthoposeError, Poses, Skeleton, join_poses, no_poses
from ethopose.draw import PALETTE, Style, contact_sheet, overlay, render_video
from ethopose.media import VideoWriter, open_video

SKELETON = Skeleton(("nose", "tail"), edges=((0, 1),), individuals=("Anna", "Bruno"))
PLAIN = Style(labels=False)


def poses(points, frame=0, confidence=1.0, **identity):
    """One animal a row of `points` (n, 2, 2), all in one frame."""
    xy = np.array(points, np.float32).reshape(-1, 2, 2)
    n = len(xy)
    identity = {
        name: np.full(n, value, np.int32 if name == "track" else np.int16) for name, value in identity.items()
    }
    return Poses(
        SKELETON,
        np.full(n, frame, np.int64),
        xy,
        np.full((n, 2), confidence, np.float32),
        np.ones(n, np.float32),
        **identity,
    )


def dark(height=200, width=300):
    return np.zeros((height, width, 3), np.uint8)


@pytest.fixture
def video(tmp_path):
    with VideoWriter(tmp_path / "clip.mp4", 10, (96, 128), crf=5) as writer:
        for i in range(30):
            writer.write(np.full((96, 128, 3), 40 + 5 * i, np.uint8))
    return open_video(tmp_path / "clip.mp4")


def test_a_keypoint_is_painted_where_it_is_in_its_animals_colour():
    image = overlay(dark(), poses([[[50, 20], [250, 150]]]), style=PLAIN)
    assert tuple(image[20, 50]) == tuple(image[150, 250]) == PALETTE[0]
    assert tuple(image[85, 150]) == PALETTE[0]  # the edge, half-way
    assert not image[20, 250].any()
    assert not image[150, 50].any()


def test_the_frame_that_was_given_is_not_painted_on():
    frame = dark()
    overlay(frame, poses([[[50, 20], [250, 150]]]))
    assert not frame.any()


@pytest.mark.parametrize(
    ("identity", "expected"),
    [({}, [0, 1]), ({"track": 3}, [3, 3]), ({"track": 3, "individual": 1}, [1, 1]), ({"track": 9}, [2, 2])],
)
def test_the_colour_is_the_individuals_else_the_tracks_else_the_rows(identity, expected):
    image = overlay(dark(), poses([[[50, 20], [60, 20]], [[50, 120], [60, 120]]], **identity), style=PLAIN)
    assert [tuple(image[20, 50]), tuple(image[120, 50])] == [PALETTE[i] for i in expected]


def test_keypoints_of_little_confidence_are_hollow():
    style = Style(cutoff=0.2, scale=6, labels=False)
    faint = overlay(dark(), poses([[[50, 50], [250, 50]]], confidence=0.1), style=style)
    sure = overlay(dark(), poses([[[50, 50], [250, 50]]], confidence=0.2), style=style)
    assert faint[50, 40].any()  # the ring
    assert not faint[50, 43:48].any()
    assert sure[50, 43:48].any(axis=1).all()


def test_what_was_not_found_is_not_painted_nor_its_edge():
    image = overlay(dark(), poses([[[50, 20], [np.nan, np.nan]]]), style=PLAIN)
    assert tuple(image[20, 50]) == PALETTE[0]
    assert not image[:, 100:].any()
    assert not overlay(dark(), poses([[[np.nan] * 2] * 2])).any()


def test_names_of_individuals_or_tracks_are_written_above_the_animal():
    def painted(**options):
        names = options.pop("names", ())
        return overlay(dark(), poses([[[150, 100], [160, 120]]], **options), names=names)[:90].any()

    assert not painted()
    assert painted(individual=1)
    assert painted(track=0, names=["left"])
    assert painted(track=5)  # a track without a name shows its number


coordinate = st.floats(-1e6, 1e6, width=32) | st.sampled_from([np.nan, np.inf, -np.inf, 3e38, -1, 0, 299.5])


@settings(deadline=None)
@given(points=st.lists(coordinate, min_size=8, max_size=8), scale=st.floats(0.1, 5))
def test_no_coordinate_makes_it_fail(points, scale):
    image = overlay(dark(), poses(points, track=1), style=Style(scale=scale))
    assert image.shape == (200, 300, 3)


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (2000, 30)])
def test_no_frame_is_too_small_or_odd_for_a_name(size):
    assert overlay(dark(*size), poses([[[0, 0], [3, 0]]], individual=0)).shape == (*size, 3)


def test_a_labelled_video_has_every_frame_with_its_own_poses(video, tmp_path):
    early = join_poses([poses([[[20, 20], [20, 20]]], f) for f in (3, 7)], SKELETON)
    parts = [early, no_poses(SKELETON), poses([[[100, 80], [100, 80]]], 20)]
    told = []
    out = render_video(parts, video, tmp_path / "out.mp4", style=Style(scale=3), progress=told.append)
    images = np.concatenate([b.image for b in open_video(out).blocks(None, 8)]).astype(int)
    plain = np.concatenate([b.image for b in video.blocks(None, 8)]).astype(int)
    drawn = (np.abs(images - plain) > 60).any(axis=3)
    assert len(images) == len(video) == sum(told)
    assert np.flatnonzero(drawn.any(axis=(1, 2))).tolist() == [3, 7, 20]
    assert drawn[3, 20, 20]
    assert not drawn[3, 60:].any()
    assert drawn[20, 80, 100]


def test_a_labelled_video_of_chosen_frames_holds_those(video, tmp_path):
    out = render_video([], video, tmp_path / "out.mp4", frames=np.array([2, 5, 29]))
    levels = [b.image[0].mean() for b in open_video(out).blocks(None, 1)]
    np.testing.assert_allclose(levels, [50, 65, 185], atol=3)


def test_a_folder_of_images_of_several_sizes_makes_one_video(tmp_path):
    (tmp_path / "images").mkdir()
    for i, size in enumerate([(64, 64), (32, 40)]):
        cv2.imwrite(str(tmp_path / "images" / f"{i}.png"), dark(*size) + 90)
    (tmp_path / "images" / "2.png").write_bytes(b"broken")
    out = open_video(render_video([], open_video(tmp_path / "images"), tmp_path / "out.mp4"))
    assert (len(out), out.shape) == (3, (64, 64, 3))
    last = [b.image[0] for b in out.blocks(None, 1)][-1]
    assert last[:20].max() < 30 < last[25:40].max()  # black, with its note in the middle


def test_a_contact_sheet_shows_frames_with_animals(video, tmp_path):
    tracked = join_poses([poses([[[30, 20], [90, 70]]], f) for f in (10, 11, 12)], SKELETON)
    with_animals = cv2.imread(str(contact_sheet(tracked, video, tmp_path / "a.png", n=3, style=PLAIN)))
    parts = [tracked[:1], tracked[1:]]
    assert np.array_equal(
        cv2.imread(str(contact_sheet(parts, video, tmp_path / "b.png", n=3, style=PLAIN))), with_animals
    )
    ink = np.all(np.abs(with_animals.astype(int) - np.array(PALETTE[0])[::-1]) < 3, axis=2)
    animals, _ = cv2.connectedComponents(cv2.dilate(ink.astype(np.uint8), np.ones((9, 9))))
    assert animals - 1 == 3


def test_poses_follow_a_frame_that_is_resized():
    from ethopose.draw.overlay import rescaled

    corners = poses([[[-0.5, -0.5], [9.5, 4.5]]])  # the outer corners of a frame of 5 by 10
    np.testing.assert_allclose(rescaled(corners, (5, 10), (20, 30)).xy[0], [[-0.5, -0.5], [29.5, 19.5]])


@pytest.mark.parametrize(("n", "frames"), [(4, 2000), (12, 30), (40, 30)])
def test_a_sheet_is_spread_evenly_over_the_frames_with_animals(n, frames):
    from ethopose.draw.sheet import _choose

    parts = (poses([[[1, 1], [2, 2]]], f) for f in range(frames))
    chosen = sorted(_choose(parts, frames, n))
    assert len(chosen) == min(n, frames)
    assert chosen[0] == 0
    assert chosen[-1] > 0.8 * frames
    assert np.ptp(np.diff(chosen)) <= 0.2 * frames / n + 1


def test_a_sheet_without_animals_still_shows_the_video(video, tmp_path):
    sheet = cv2.imread(str(contact_sheet(no_poses(SKELETON), video, tmp_path / "a.png", n=4)))
    assert min(sheet.shape[:2]) > 300


def test_a_sheet_that_cannot_be_written_is_told(video, tmp_path):
    with pytest.raises(EthoposeError, match="cannot be written"):
        contact_sheet(no_poses(SKELETON), video, tmp_path / "missing" / "a.png", n=1)
