"""The gallery: everyone whom a video shows well has a name of their own."""

import numpy as np

from ethopose.reid.gallery import gallery_of, read_gallery, seen_of

SIZE = 16
DIRECTIONS = np.eye(SIZE)[:4]


def seen(names, animals):
    """A video in which these animals are on tracks of these names."""
    track = np.tile(np.arange(len(names)), 100)
    noise = np.random.default_rng(0).normal(0, 0.01, (len(track), SIZE))
    return seen_of(names, track, (DIRECTIONS[animals][track] + noise).astype(np.float32))


def met(gallery):
    """Which animal goes by each name."""
    return {
        name: int((DIRECTIONS @ mean).argmax())
        for name, mean in zip(gallery.names, gallery.mean, strict=True)
    }


def test_a_name_that_a_person_gave_is_given_to_nobody_else(tmp_path):
    gallery = gallery_of(seen(("track_1", "animal_1", "animal_2"), [0, 1, 2]))
    assert met(gallery) == {"animal_3": 0, "animal_1": 1, "animal_2": 2}
    gallery.write(tmp_path)
    assert met(read_gallery(tmp_path, SIZE)) == met(gallery)


def test_a_name_that_a_later_video_gives_is_free_for_it():
    """Else the first one that nobody named would be taken for the one who is named so there."""
    gallery = gallery_of(
        seen(("track_1", "track_2"), [0, 1]), seen(("animal_2", "animal_1", "track_1"), [0, 1, 2])
    )
    assert met(gallery) == {"animal_2": 0, "animal_1": 1, "animal_3": 2}


def test_a_video_that_shows_nobody_well_adds_nobody():
    nobody = seen_of(("track_1",), np.zeros(2, np.int64), np.ones((2, SIZE), np.float32))
    gallery = gallery_of(nobody, seen(("track_1", "anna"), [0, 1]))
    assert met(gallery) == {"animal_1": 0, "anna": 1}
