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


def day(rng, looks, shift, wander, noise):
    """A video of 200 frames: what all of its rows share, what changes slowly, and what each row is off by."""
    changed = looks + rng.normal(0, shift, looks.shape)
    slow = rng.normal(0, wander, (200, *looks.shape))
    for row in range(1, len(slow)):
        slow[row] = 0.98 * slow[row - 1] + np.sqrt(1 - 0.98**2) * slow[row]
    vector = changed + slow + rng.normal(0, noise, slow.shape)
    return (vector / np.linalg.norm(vector, axis=-1, keepdims=True)).astype(np.float32)


def told_of_days(rng):
    """Animals as different, and days as unlike, as chance has it: how sure names are, and whether right."""
    animals = rng.integers(3, 9)
    spread = np.exp(rng.uniform(np.log(0.05), 0)) / np.sqrt(SIZE)
    looks = np.eye(SIZE)[0] + spread * rng.normal(size=(animals, SIZE))
    how = spread * np.sqrt(rng.uniform(0, 0.5)), *(rng.uniform((0.02, 0.1), (0.3, 0.5)) / np.sqrt(SIZE))
    names = [f"track_{number}" for number in range(animals)]
    order = rng.permutation(animals)
    monday, tuesday = day(rng, looks, *how), day(rng, looks, *how)
    gallery = gallery_of(seen_of(names, np.tile(range(animals), 200), monday.reshape(-1, SIZE)))
    who, sure = gallery.match(seen_of(names, np.tile(order, 200), tuesday.reshape(-1, SIZE)))
    named = who >= 0
    return sure[named], who[named] == np.argsort(order)[named]


def test_a_name_is_as_sure_as_it_is_right():
    rng = np.random.default_rng(0)
    sure, right = (
        np.concatenate(each) for each in zip(*(told_of_days(rng) for _ in range(300)), strict=True)
    )
    edges = [0, 0.6, 0.7, 0.8, 0.9, 0.99, 1.01]
    within = np.digitize(sure, edges) - 1
    told = [right[within == bin_of].mean() for bin_of in range(6)]
    assert told == sorted(told)
    assert told[4] > 0.92
    assert told[5] > 0.99
    assert told[0] < 0.6
