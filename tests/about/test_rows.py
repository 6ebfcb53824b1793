"""How facts read to people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ethopose.about import describe, info
from ethopose.about.rows import size_in_words


def test_a_stage_reads_as_what_it_sees_and_what_it_is_made_of(model):
    rows = dict(describe(info(model)))
    assert rows["stage 1: input"] == (
        "gray, the network reads 1 channel; fitted into height 48 × width as filmed px; "
        "crops of height 32 × width 24 px; scaled by 0.5; padded to multiples of 8"
    )
    assert rows["stage 1: network"] == "unet → confidence_map (stride 2), class_vector"
    assert rows["stage 1: backbone"] == "filters 4"
    assert rows["stage 1: parameters"] == "12"
    assert rows["edges"] == "nose – ear, nose – tail"


def test_what_is_empty_or_unknown_has_no_row():
    assert describe({"a": None, "b": [], "c": {}, "d": "", "e": 0, "f": False}) == [("e", "0"), ("f", "no")]


def test_what_lies_within_is_named_with_what_holds_it():
    assert describe({"my_video": {"frames_done": 3, "model": {"name": "m"}}}) == [
        ("my video: frames done", "3"),
        ("my video: model: name", "m"),
    ]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("seconds", 5.5, "5.5"),
        ("seconds", 10925.25, "10925.2 (3:02:05.2)"),
        ("runs", [[0, 7], [20, 21]], "0 to 7, 20 to 21"),
        ("keypoints", ["nose", "tail"], "2: nose, tail"),
        ("bytes", 1536, "1.5 KiB"),
    ],
)
def test_numbers_are_in_the_units_of_people(name, value, text):
    assert describe({name: value}) == [(name, text)]


@given(st.integers(0, 2**55))
def test_a_size_in_words_is_the_size(size):
    number, unit = size_in_words(size).split()
    factor = 1024 ** ("bytes", "KiB", "MiB", "GiB", "TiB").index(unit)
    assert float(number) * factor == pytest.approx(size, rel=1e-3)
    assert size < 1024 or float(number) >= 1
