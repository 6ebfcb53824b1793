"""The public names."""

import importlib
import inspect
from pathlib import Path

import pytest

import ethopose

NAMES = """
convert info load predict read render
Labels Model Options Poses Report Result Skeleton
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
    assert found.__module__.startswith("ethopose.")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="pedict"):
        ethopose.pedict  # noqa: B018


FOLDERS = [name for name in NAMES.split() if (Path(ethopose.__file__).parent / name).is_dir()]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_function_is_not_hidden_by_the_folder_of_its_name(name):
    for module in sorted((Path(ethopose.__file__).parent / name).glob("*.py")):
        module_name = f"ethopose.{name}" + f".{module.stem}".removesuffix(".__init__")
        assert inspect.ismodule(importlib.import_module(module_name))
        assert inspect.isfunction(getattr(ethopose, name))


def test_predict_is_such_a_function():
    assert "predict" in FOLDERS


def test_all_errors_are_of_one_family():
    errors = [getattr(ethopose, name) for name in NAMES.split() if name.endswith("Error")]
    assert len(errors) == 9
    assert all(issubclass(error, ethopose.EthoposeError) for error in errors)
