"""The folder of a model of `reid train`: nothing else is removed, an old one stays until the new is whole."""

from pathlib import Path

import numpy as np
import pytest

from ethopose.about import info
from ethopose.core import ModelError, ResultError, UsageError
from ethopose.families import load
from ethopose.reid import folder
from ethopose.reid.folder import FILES, check_free, digest_of, write_model
from ethopose.reid.gallery import Gallery, read_gallery
from ethopose.reid.learning import Learned, Told
from ethopose.reid.networks import LooksNet
from ethopose.reid.spec import KeypointSpec, Spec

SPEC = Spec(skeleton=("nose", "tail"), keypoints=KeypointSpec(number=2, size=8, digest="1" * 64))
STEP = {"step": 1, "seconds": 1.0, "loss": 1.0, "triplets": 0.9, "auc": 0.9}


def write(home, *names, overwrite=False):
    size = SPEC.dimensions
    known = Gallery(names, np.zeros((len(names), size)), np.ones(len(names), int), np.eye(size), np.eye(size))
    write_model(
        home,
        SPEC,
        Learned(LooksNet(SPEC), (STEP,), Told(0.9, 0.9, 30, far=True)),
        known,
        overwrite=overwrite,
    )


def content(home):
    return {path.relative_to(home): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_a_model_takes_the_place_of_an_older_one_if_asked(tmp_path):
    home = tmp_path / "cage7"
    write(home, "anna")
    assert {file.name for file in home.iterdir()} == FILES
    before = digest_of(home)
    check_free(home, overwrite=True)
    with pytest.raises(UsageError, match="a model here already"):
        check_free(home, overwrite=False)
    write(home, "bert", overwrite=True)
    assert read_gallery(home, SPEC.dimensions).names == ("bert",)
    assert digest_of(home) != before
    assert list(tmp_path.iterdir()) == [home]


def test_info_tells_who_is_known(tmp_path):
    home = tmp_path / "cage7"
    write(home, "anna", "bert")
    told = info(home)
    assert (told["is"], told["names"], told["keypoints"]) == (
        "model of reid train",
        ["anna", "bert"],
        ["nose", "tail"],
    )
    for name in ("gallery.json", "metrics.csv", "weights.safetensors"):
        assert info(home / name) == told
    (home / "gallery.json").unlink()  # as in a copy of the `appearance` of a tracked result
    assert info(home)["is"] == "network of looks"
    (home / "looks.yaml").write_text("skeleton: 3")
    with pytest.raises(ModelError, match="not a network of looks"):
        info(home)
    with pytest.raises(ModelError, match="no model that ethopose knows"):
        load(home)


def test_a_model_goes_where_a_link_leads(tmp_path):
    home, link = tmp_path / "cage7", tmp_path / "newest"
    write(home, "anna")
    link.symlink_to(home)
    write(link, "bert", overwrite=True)
    assert link.is_symlink()
    assert read_gallery(home, SPEC.dimensions).names == ("bert",)


@pytest.mark.parametrize(
    ("foreign", "with_model"),
    [
        ("videos/precious.mp4", False),
        ("weights.safetensors", False),
        ("notes.txt", True),
        (".git/HEAD", True),
    ],
)
def test_what_is_no_such_model_is_never_replaced(tmp_path, foreign, with_model):
    """Weights alone are those of a pose model."""
    home = tmp_path / "thesis"
    if with_model:
        write(home, "anna")
    (home / foreign).parent.mkdir(parents=True, exist_ok=True)
    (home / foreign).write_text("x")
    before = content(home)
    for overwrite in (False, True):
        with pytest.raises(UsageError, match="choose another -o"):
            write(home, "bert", overwrite=overwrite)
    assert content(home) == before


def test_a_file_is_told_of(tmp_path):
    (tmp_path / "cage7").write_text("x")
    with pytest.raises(UsageError, match="there is a file here"):
        check_free(tmp_path / "cage7", overwrite=True)


@pytest.mark.parametrize("failing", ["weights", "gallery", "place"])
def test_a_failure_leaves_the_old_model_whole(tmp_path, monkeypatch, failing):
    home = tmp_path / "cage7"
    write(home, "anna")
    before = content(home)

    def fails(*_, **__):
        raise OSError(28, "No space left on device")

    def fails_for_the_new(path, target):
        if target == home and not target.exists() and (path / "gallery.json").read_text().count("bert"):
            fails()
        return rename(path, target)

    rename = Path.rename
    if failing == "place":
        monkeypatch.setattr(Path, "rename", fails_for_the_new)
    elif failing == "weights":
        monkeypatch.setattr("safetensors.torch.save", fails)
    else:
        monkeypatch.setattr(folder.gallery.json, "dumps", fails)
    with pytest.raises((OSError, ResultError), match="No space left"):
        write(home, "bert", overwrite=True)
    assert content(home) == before
    assert list(tmp_path.iterdir()) == [home]
