"""Files of own parts are run once, whole or not at all, and say what is wrong with them."""

import pytest

from ethopose.core import SpecError
from ethopose.models.backbones import BACKBONES
from ethopose.models.losses import LOSSES
from ethopose.models.menu import REGISTRIES
from ethopose.models.plugins import load_plugin
from own_parts import forgotten, write_parts

HEAD = "from ethopose.models.backbones import BACKBONES\nfrom ethopose.models.losses import LOSSES\n"


@pytest.fixture(autouse=True)
def _forgotten():
    with forgotten():
        yield


@pytest.fixture
def plugin(tmp_path):
    """A file with this text below the imports."""

    def write(text: str, name: str = "mine.py"):
        (tmp_path / name).write_text(HEAD + text)
        return tmp_path / name

    return write


def test_parts_are_on_the_menu_after_loading(tmp_path):
    assert "dummy" not in BACKBONES
    load_plugin(write_parts(tmp_path))
    assert BACKBONES.build("dummy", kernel_size=3).channels == {3: 1}
    with pytest.raises(SpecError, match=r"kernel=3.*it takes|unexpected keyword argument 'kernel'"):
        BACKBONES.build("dummy", kernel=3)


def test_the_same_content_is_run_once_wherever_it_lies(tmp_path):
    load_plugin(write_parts(tmp_path))
    first = BACKBONES["dummy"]
    load_plugin(write_parts(tmp_path))
    load_plugin(write_parts(tmp_path, "elsewhere.py"))
    assert BACKBONES["dummy"] is first


def test_other_content_under_the_same_names_is_refused_with_its_line(plugin):
    load_plugin(plugin("LOSSES.add('mine')(lambda output, target: output)\n"))
    kept = LOSSES["mine"]
    with pytest.raises(SpecError, match="a loss named 'mine' already") as told:
        load_plugin(plugin("\nLOSSES.add('mine')(lambda output, target: target)\n"))
    assert str(told.value.where).endswith("mine.py:4")
    assert told.value.fix
    assert LOSSES["mine"] is kept


@pytest.mark.parametrize(
    ("text", "why", "line"),
    [
        ("import no_such_package_at_all\n", "ModuleNotFoundError", ":3"),
        ("def broken(:\n", "SyntaxError", ":3"),
        ("\n1 / 0\n", "ZeroDivisionError", ":4"),
        ("raise SystemError('x' * 3)\n", "SystemError: xxx", ":3"),
        ("\0", "null bytes", ""),
    ],
)
def test_code_that_fails_is_told_with_its_line_and_leaves_nothing(plugin, text, why, line):
    before = [dict(registry) for registry in REGISTRIES]
    path = plugin(text)
    with pytest.raises(SpecError, match=why) as told:
        load_plugin(path)
    assert str(told.value.where) == f"{path}{line}"
    assert [dict(registry) for registry in REGISTRIES] == before


def test_what_was_added_before_the_fault_is_taken_back_and_can_be_loaded_once_mended(plugin):
    with pytest.raises(SpecError):
        load_plugin(plugin("LOSSES.add('half')(lambda output, target: output)\n1 / 0\n"))
    assert "half" not in LOSSES
    load_plugin(plugin("LOSSES.add('half')(lambda output, target: output)\n"))
    assert "half" in LOSSES


def test_a_file_that_is_not_there_is_named(tmp_path):
    for path in (tmp_path / "none.py", tmp_path):
        with pytest.raises(SpecError, match="cannot be read") as told:
            load_plugin(path)
        assert told.value.where == path


def test_a_file_of_parts_may_hold_dataclasses_and_leaves_nothing_beside_it(plugin, tmp_path):
    text = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    path = tmp_path / "mine.py"
    path.write_text(text + "@dataclass\nclass Options:\n    size: int = 3\n")
    load_plugin(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.py"]
