"""Joining, splitting and checking labels, whatever tool they came from."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_files import KEYPOINTS, SIZE, points, write_pictures, write_project

from ethopose.core import DataError, FormatError, Image, Labels, Skeleton
from ethopose.core.labels import ABSENT
from ethopose.formats import (
    check_labels,
    drop_images,
    guess_symmetries,
    join_labels,
    look_at,
    read_labels,
    read_split,
    split_labels,
    split_names,
    take_images,
    tell_copies,
)
from ethopose.formats.label_images import Placed, make_labels

SKELETON = Skeleton(KEYPOINTS, ((0, 3),), ((1, 2),), individuals=("male", "female"))


def some_labels(n=6, animals=2, videos=("a",), folder="p", skeleton=SKELETON):
    """`n` images, evenly of these videos, with so many animals each."""
    from pathlib import Path

    images = [
        Image(Path(folder) / videos[i * len(videos) // n] / f"img{i}.png", video=videos[i * len(videos) // n])
        for i in range(n)
    ]
    xy = points(n, animals).reshape(-1, 4, 2)
    individual = np.arange(animals) if skeleton.individuals else np.full(animals, -1)
    return make_labels(images, skeleton, Placed(np.repeat(np.arange(n), animals), xy, np.tile(individual, n)))


def sizes_of(labels, size=SIZE):
    return np.tile(np.array(size), (len(labels.images), 1))


# joining


def test_keypoints_in_another_order_are_reordered():
    one = some_labels()
    order = [2, 0, 3, 1]
    turned = Skeleton(tuple(KEYPOINTS[k] for k in order), individuals=("female", "other"))
    other = some_labels(folder="q", skeleton=turned)
    joined = join_labels([one, other])
    assert joined.poses.skeleton == replace(SKELETON, individuals=("male", "female", "other"))
    for new, name in enumerate(KEYPOINTS):
        old = turned.keypoints.index(name)
        np.testing.assert_array_equal(joined.poses.xy[12:, new], other.poses.xy[:, old])
    assert joined.poses.individual[12:14].tolist() == [1, 2]
    assert joined.poses.frame[12:].tolist() == (other.poses.frame + 6).tolist()


def test_edges_of_a_later_source_are_told_in_the_first_ones_order():
    turned = Skeleton(KEYPOINTS[::-1], ((0, 3),), ((1, 2),))
    joined = join_labels(
        [some_labels(skeleton=Skeleton(KEYPOINTS)), some_labels(folder="q", skeleton=turned)]
    )
    assert joined.poses.skeleton.edges == ((3, 0),)
    assert joined.poses.skeleton.symmetries == ((2, 1),)


def test_other_skeletons_are_refused_with_the_difference():
    other = some_labels(skeleton=Skeleton(("nose", "left_ear", "right_ear", "tip")))
    with pytest.raises(DataError, match="lacks tail and adds tip"):
        join_labels([some_labels(), other])


def test_the_same_image_twice_counts_once_and_fills_what_was_missing():
    one, other = some_labels(), some_labels()
    xy = one.poses.xy.copy()
    xy[0, 1] = np.nan
    visibility = one.visibility.copy()
    visibility[0, 1] = ABSENT
    one = replace(one, poses=replace(one.poses, xy=xy), visibility=visibility)
    swapped = other.poses[[1, 0, *range(2, 12)]]  # animals in another order
    other = replace(other, poses=replace(swapped, xy=swapped.xy + 1), splits={"test": np.array([2])})
    joined = join_labels([one, other])
    assert joined.images == one.images
    np.testing.assert_allclose(joined.poses.xy[0, 1], some_labels().poses.xy[0, 1] + 1)
    np.testing.assert_array_equal(joined.poses.xy[2:], one.poses.xy[2:])
    assert joined.splits["test"].tolist() == [2]


@pytest.mark.parametrize(("moved", "fails"), [(3.0, False), (4.0, True)])
def test_images_labelled_twice_may_differ_by_five_pixels(moved, fails):
    one, other = some_labels(), some_labels()
    xy = other.poses.xy.copy()
    xy[5, 2] += moved  # in x and y: 4.2 or 5.7 px
    other = replace(other, poses=replace(other.poses, xy=xy))
    if fails:
        with pytest.raises(DataError, match=r"points 5\.7 px apart: p/a/img2\.png"):
            join_labels([one, other])
    else:
        assert len(join_labels([one, other]).poses) == 12


def test_another_number_of_animals_is_a_contradiction_but_none_is_not():
    one = some_labels()
    fewer = replace(one, poses=one.poses[1:], visibility=one.visibility[1:])
    with pytest.raises(DataError, match=r"with 2 and 1 animals: p/a/img0\.png"):
        join_labels([one, fewer])
    empty = replace(one, poses=one.poses[2:], visibility=one.visibility[2:])
    for order in ([one, empty], [empty, one]):
        joined = join_labels(order)
        np.testing.assert_array_equal(joined.poses.xy, one.poses.xy)
        np.testing.assert_array_equal(joined.poses.frame, one.poses.frame)


def test_a_duplicate_row_of_a_real_table_counts_once(tmp_path):
    project = write_project(tmp_path / "m", {"a": 3})
    (project / "labeled-data" / "a" / "CollectedData_ann.h5").unlink()
    table = project / "labeled-data" / "a" / "CollectedData_ann.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[-1]]))
    assert len(read_labels(project).images) == 3


# taking images


@given(st.permutations(range(6)), st.integers(1, 6))
def test_taking_images_takes_their_animals_and_splits_along(order, n):
    labels = replace(some_labels(), splits={"test": np.array([1, 4])})
    taken = take_images(labels, np.array(order[:n]))
    assert taken.images == tuple(labels.images[index] for index in order[:n])
    for new, old in enumerate(order[:n]):
        np.testing.assert_array_equal(
            taken.poses.xy[taken.poses.frame == new], labels.poses.xy[labels.poses.frame == old]
        )
    assert {order[index] for index in taken.splits["test"]} == {1, 4} & set(order[:n])


def test_dropping_all_images_is_an_error_and_some_a_warning(caplog):
    labels = some_labels()
    assert len(drop_images(labels, np.arange(6) < 2, "are dark").images) == 4
    assert "2 of 6 images are dark: p/a/img0.png, p/a/img1.png" in caplog.text
    with pytest.raises(DataError, match="6 of 6 images are dark"):
        drop_images(labels, np.ones(6, bool), "are dark")


# splits


@given(n=st.integers(2, 60), n_videos=st.integers(1, 4), share=st.floats(0, 1), seed=st.integers(0, 99))
@pytest.mark.parametrize("by", ["block", "video", "image", None])
def test_every_image_is_in_one_split_and_each_has_some(by, n, n_videos, share, seed):
    labels = some_labels(n, videos=tuple("abcd"[: min(n, n_videos)]))
    if by == "video" and min(n, n_videos) == 1:
        with pytest.raises(DataError, match="of one video"):
            split_labels(labels, by=by, share=share, seed=seed)
        return
    splits = split_labels(labels, by=by, share=share, seed=seed).splits
    assert len(splits["train"])
    assert len(splits["val"])
    assert sorted(np.concatenate([splits["train"], splits["val"]])) == list(range(n))
    if by == "video":
        videos = [{labels.images[index].video for index in splits[name]} for name in ("train", "val")]
        assert not videos[0] & videos[1]
    else:
        assert len(splits["val"]) == np.clip(round(share * n), 1, n - 1)
    again = split_labels(labels, by=by, share=share, seed=seed).splits
    np.testing.assert_array_equal(again["val"], splits["val"])


def test_blocks_are_runs_of_neighbours_in_time_not_in_order_of_names():
    labels = some_labels(60)
    shuffled = take_images(labels, np.random.default_rng(0).permutation(60))
    val = split_labels(shuffled, share=0.25, seed=3).splits["val"]
    numbers = sorted(int(shuffled.images[index].path.stem[3:]) for index in val)
    assert len(numbers) == 15
    assert np.sum(np.diff(numbers) > 1) <= 2


def test_another_seed_splits_otherwise():
    labels = some_labels(60)
    chosen = {tuple(split_labels(labels, seed=seed).splits["val"]) for seed in range(5)}
    assert len(chosen) > 1


def test_stored_splits_are_kept_and_validation_is_taken_from_train():
    labels = replace(some_labels(20), splits={"train": np.arange(12), "test": np.arange(12, 18)})
    splits = split_labels(labels).splits
    assert splits["test"].tolist() == list(range(12, 18))
    assert sorted([*splits["train"], *splits["val"]]) == list(range(12))
    only_test = replace(labels, splits={"test": np.arange(12, 18)})
    for seed in range(9):
        splits = split_labels(only_test, by="image", seed=seed).splits
        assert sorted([*splits["train"], *splits["val"]]) == [*range(12), 18, 19]
    complete = replace(labels, splits={"train": np.arange(3), "val": np.arange(3, 5)})
    assert split_labels(complete).splits == complete.splits


def test_equal_pictures_never_lie_on_both_sides_unless_the_source_says_so(tmp_path, caplog):
    labels = some_labels(20, folder=tmp_path)
    write_pictures(tmp_path / "a", [f"img{number}.png" for number in range(20)])
    picture = cv2.imread(str(tmp_path / "a" / "img12.png"))
    cv2.imwrite(str(tmp_path / "a" / "img3.png"), picture, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    assert (tmp_path / "a" / "img3.png").read_bytes() != (tmp_path / "a" / "img12.png").read_bytes()
    _, digests = look_at(labels.images)
    assert len(set(digests)) == 19
    for seed in range(30):
        split = split_labels(labels, by="image", share=0.3, seed=seed, digests=digests)
        train = set(split.splits["train"].tolist())
        assert (3 in train) == (12 in train)
        tell_copies(split, digests)
    assert not caplog.text
    stored = replace(labels, splits={"train": np.arange(10), "val": np.arange(10, 20)})
    tell_copies(split_labels(stored, digests=digests), digests)
    assert "1 images of val are copies" in caplog.text
    assert "img12.png" in caplog.text


def test_a_single_image_is_both_and_a_warning_says_so(caplog):
    splits = split_labels(some_labels(1)).splits
    assert splits["train"].tolist() == splits["val"].tolist() == [0]
    assert "validation errors are training errors" in caplog.text


def test_a_stored_split_reads_back(tmp_path):
    labels = split_labels(some_labels(20))
    (tmp_path / "split.json").write_text(json.dumps({"rule": "any", **split_names(labels)}))
    moved = replace(labels, images=some_labels(20, folder="elsewhere/p").images, splits={})
    again = read_split(tmp_path / "split.json", moved)
    assert {name: rows.tolist() for name, rows in again.splits.items()} == {
        name: rows.tolist() for name, rows in labels.splits.items()
    }


def test_frames_of_a_video_are_named_by_number(tmp_path):
    from pathlib import Path

    images = tuple(Image(Path("v/clip.mp4"), frame) for frame in (3, 13))
    labels = replace(some_labels(2), images=images)
    (tmp_path / "s.json").write_text(json.dumps({"train": ["clip.mp4#13"], "val": ["clip.mp4#3"]}))
    assert read_split(tmp_path / "s.json", labels).splits["train"].tolist() == [1]


@pytest.mark.parametrize(
    ("content", "kind", "what"),
    [
        (
            '{"train": ["a/img0.png"], "val": ["a/nobody.png"]}',
            DataError,
            r"1 names in 'val' .*: a/nobody\.png",
        ),
        ('{"train": ["a/img0.png"], "val": ["a/img0.png"]}', DataError, r"in two splits: p/a/img0\.png"),
        ('{"train": ["b/x/img0.png"], "val": ["a/img0.png"]}', DataError, "1 names in 'train'"),
        ('{"train": []}', FormatError, "lacks"),
        ("[", FormatError, "no split"),
        ("[]", FormatError, "lacks"),
    ],
)
def test_a_split_that_does_not_fit_is_refused(tmp_path, content, kind, what):
    (tmp_path / "split.json").write_text(content)
    with pytest.raises(kind, match=what):
        read_split(tmp_path / "split.json", some_labels())


@pytest.mark.parametrize(
    ("name", "sizes"), [("openfield-Pranav-2018-10-30", (72, 15)), ("mirror-mouse-example", (58, 10))]
)
def test_real_splits_fit_the_real_labels(shared_data, name, sizes):
    folder = shared_data / "labels" / name
    splits = read_split(folder / "split.json", read_labels(folder)).splits
    assert (len(splits["train"]), len(splits["val"])) == sizes


# checks


def with_point(labels, x, y, row=0, keypoint=1):
    xy = labels.poses.xy.copy()
    xy[row, keypoint] = x, y
    return replace(labels, poses=replace(labels.poses, xy=xy))


@pytest.mark.parametrize(
    ("given_", "wanted"),
    [
        ((-0.4, 39.4), (-0.4, 39.4)),
        ((-1.2, 10), (-0.5, 10)),
        ((60.2, 40.1), (59.5, 39.5)),
        ((5, -1.6), None),
        ((61, 5), None),
    ],
)
def test_points_hardly_outside_are_put_on_the_edge_others_are_hidden(caplog, given_, wanted):
    checked, _ = check_labels(labels := with_point(some_labels(), *given_), sizes_of(some_labels()))
    if wanted is None:
        assert np.isnan(checked.poses.xy[0, 1]).all()
        assert np.isnan(checked.poses.confidence[0, 1])
        assert checked.visibility[0, 1] == ABSENT
        assert "1 points lie outside their pictures and are hidden: left_ear in p/a/img0.png" in caplog.text
    else:
        np.testing.assert_allclose(checked.poses.xy[0, 1], wanted, rtol=1e-6)
        assert caplog.text == ""
    np.testing.assert_array_equal(checked.poses.xy[1:], labels.poses.xy[1:])


def test_pictures_made_smaller_are_refused_with_the_factor():
    labels = some_labels(20, videos=("good", "bad"))
    sizes = sizes_of(labels)
    sizes[10:] //= 2
    with pytest.raises(DataError, match=r"points of bad lie outside .* by 1\.[89]\d or more"):
        check_labels(labels, sizes)


def test_what_is_odd_is_told_by_name(caplog):
    labels = some_labels()
    xy, visibility = labels.poses.xy.copy(), labels.visibility.copy()
    xy[:, 3], visibility[:, 3] = np.nan, ABSENT
    labels = replace(labels, poses=replace(labels.poses, xy=xy)[2:], visibility=visibility[2:])
    sizes = sizes_of(labels)
    sizes[4], sizes[5] = (50, 70), 0
    checked, sizes = check_labels(labels, sizes)
    assert len(checked.images) == len(sizes) == 5
    for told in (
        "1 of 6 images cannot be read: p/a/img5.png",
        "1 keypoints are never labelled: tail",
        "1 images carry no label and count as empty scenes: p/a/img0.png",
        "pictures are of 2 sizes: 60 x 40 (4), 70 x 50 (1)",
    ):
        assert told in caplog.text
    one = take_images(checked, np.array([1]))
    check_labels(one, sizes[1:2])
    assert "there is one labelled image" in caplog.text


def test_no_label_left_is_an_error():
    labels = some_labels(2)
    none = Labels(labels.images, labels.poses[:0], labels.visibility[:0])
    with pytest.raises(DataError, match="none of the 2 images carries a label"):
        check_labels(none, sizes_of(none))


def test_unreadable_pictures_are_found_by_reading_them(tmp_path, caplog):
    labels = some_labels(4, folder=tmp_path)
    write_pictures(tmp_path / "a", ["img0.png", "img1.png"])
    cv2.imwrite(str(tmp_path / "a" / "img2.png"), np.zeros((41, 60), np.uint8))
    (tmp_path / "a" / "img3.png").write_bytes(b"\x89PNG no more")
    checked, sizes = check_labels(labels, look_at(labels.images)[0])
    assert sizes.tolist() == [[40, 60], [40, 60], [41, 60]]
    assert len(checked.images) == 3
    assert "img3.png" in caplog.text


# symmetries


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (("nose", "left_ear", "right_ear"), {("left_ear", "right_ear")}),
        (("rightear", "leftear"), {("leftear", "rightear")}),
        (("LeftPaw", "RightPaw", "left", "right"), {("LeftPaw", "RightPaw"), ("left", "right")}),
        (("earL", "earR", "ear"), {("earL", "earR")}),
        (("hip_l", "hip_r", "l_knee", "r_knee"), {("hip_l", "hip_r"), ("l_knee", "r_knee")}),
        (("paw1LH_top", "paw2LF_top", "paw3RF_top", "paw4RH_top"), set()),
        (("pawLF", "pawRF", "pawLH", "pawRH"), {("pawLF", "pawRF"), ("pawLH", "pawRH")}),
        (("paw_lh", "paw_rh"), {("paw_lh", "paw_rh")}),
        (("LEye", "REye"), {("LEye", "REye")}),
        (("tail", "tair", "lip", "rip", "earl", "earr", "Lear", "Rear"), set()),
        (("left_l", "left_r", "right_l"), set()),  # two fit
        (("leg1", "leg2"), set()),
    ],
)
def test_left_and_right_are_paired_where_nothing_else_differs(names, pairs):
    assert {(names[one], names[two]) for one, two in guess_symmetries(names)} == pairs


@given(st.permutations(["a_left", "a_right", "bL", "bR", "c", "d_r"]))
def test_the_left_one_comes_first_whatever_the_order(names):
    pairs = {(names[one], names[two]) for one, two in guess_symmetries(names)}
    assert pairs == {("a_left", "a_right"), ("bL", "bR")}
