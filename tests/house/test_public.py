"""The public names."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import ethopose

NAMES = """
convert evaluate info labels load predict read render review run track tracks train
Dataset Evaluation Labels Model Options Poses Report Result RunReport Skeleton Trained
EthoposeError DataError FormatError InferenceError ModelError ResultError SpecError UsageError VideoError
"""


def test_the_public_names_are_these():
    assert ethopose.__all__ == NAMES.split()
    assert dir(ethopose) == sorted(NAMES.split())


@pytest.mark.parametrize("name", NAMES.split())
def test_every_public_name_is_there_and_documented(name):
    found = getattr(ethopose, name)
    assert inspect.getdoc(found)
    assert found is getattr(ethopose, name)
    home = found.__name__ if inspect.ismodule(found) else found.__module__
    assert home.startswith("ethopose.")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="pedict"):
        ethopose.pedict  # noqa: B018


FOLDERS = [name for name in NAMES.split() if (Path(ethopose.__file__).parent / name).is_dir()]


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("first", ["import ethopose.{0}", "from ethopose.{0} import *", "ethopose.{0}"])
def test_a_function_is_not_hidden_by_the_folder_of_its_name(name, first):
    modules = sorted((Path(ethopose.__file__).parent / name).glob("[!_]*.py"))
    lines = [
        "import inspect, ethopose",
        first.format(name),
        *(f"import ethopose.{name}.{module.stem}" for module in modules),
        f"assert inspect.isfunction(ethopose.{name})",
    ]
    read = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False
    )
    assert read.returncode == 0, read.stderr


def test_predict_is_such_a_function():
    assert "predict" in FOLDERS


def test_all_errors_are_of_one_family():
    errors = [getattr(ethopose, name) for name in NAMES.split() if name.endswith("Error")]
    assert len(errors) == 9
    assert all(issubclass(error, ethopose.EthoposeError) for error in errors)
