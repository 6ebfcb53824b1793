"""Our own model folders: `model.yaml`, the spec, and `weights.safetensors`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from pydantic import ValidationError

from ethopose.core import DataError, ModelError, UsageError
from ethopose.families.files import file_digest, folder_of, read_yaml
from ethopose.families.model import Model
from ethopose.models.spec import ModelSpec
from ethopose.store.atomic import replacing

if TYPE_CHECKING:
    from torch import Tensor

SPEC, WEIGHTS = "model.yaml", "weights.safetensors"


def recognises(path: Path) -> bool:
    """Whether the folder holds one of our models."""
    return (folder_of(path) / SPEC).is_file()


def read(paths: Sequence[Path]) -> Model:
    """The model in our own folder. Both stages of a pair lie in one."""
    if len(paths) != 1:
        raise UsageError("two folders of ethopose form no pair: one folder holds both stages")
    folder = folder_of(paths[0])
    try:
        spec = ModelSpec.model_validate({**read_yaml(folder / SPEC), "name": folder.name})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(key) for key in first["loc"])
        raise ModelError(f"{place}: {first['msg']}", where=folder / SPEC) from None
    except DataError as error:
        raise ModelError(f"skeleton: {error.what}", where=folder / SPEC) from None
    files = (folder / WEIGHTS, *(_plugin(folder, name) for name in spec.plugins))
    digest = spec.digest(*(file_digest(file) for file in files))
    crops = spec.stages[0].preparation
    missing = UsageError(
        "in its folder is only what reads crops, not what finds the animals",
        where=folder,
        fix="convert both together: ethopose convert OTHER THIS OUT"
        if crops.conditions is None
        else f"name both, -m CONDITIONS -m {folder.name}, or --conditions FILE",
    )
    return Model(
        spec,
        digest,
        (folder,),
        lambda stage: _weights(folder / WEIGHTS, stage),
        missing=missing if crops.crop else None,
    )


def write(
    folder: Path,
    spec: ModelSpec,
    weights: Sequence[Mapping[str, Tensor]],
    *,
    plugins: Sequence[Path] = (),
    half: bool = True,
) -> None:
    """A model folder; `weights` holds a state for each stage, stored in half precision or as they are.

    `plugins` are the files that the spec names, whose code makes parts of the model; copies of them go along.

    Raises:
        UsageError: the spec names other plugins, or two have one name.
    """
    code = {file.name: file.read_bytes() for file in plugins}
    if list(spec.plugins) != list(code) or len(code) < len(plugins):
        raise UsageError(f"the spec names the plugins {spec.plugins}, given are {[*map(str, plugins)]}")
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in code.items():
        with replacing(folder / name) as file:
            file.write(content)
    with replacing(folder / WEIGHTS) as file:
        file.write(packed(weights, half=half))
    text = yaml.safe_dump(
        spec.model_dump(mode="json", exclude_defaults=True, exclude={"name"}), sort_keys=False
    )
    with replacing(folder / SPEC) as file:
        file.write(text.encode())


def packed(weights: Sequence[Mapping[str, Tensor]], *, half: bool) -> bytes:
    """States of all stages as the bytes of a `.safetensors` file."""
    from safetensors.torch import save

    tensors = {
        f"{stage}.{name}": (tensor.half() if half and tensor.is_floating_point() else tensor).contiguous()
        for stage, state in enumerate(weights)
        for name, tensor in state.items()
    }
    return bytes(save(tensors))


def _plugin(folder: Path, name: str) -> Path:
    if (folder / name).resolve().parent != folder.resolve():
        raise ModelError("a link that leads out of the model folder", where=folder / name)
    return folder / name


def _weights(path: Path, stage: int) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"weights that cannot be read ({error})", where=path) from error
    prefix = f"{stage}."
    if not any(name.startswith(prefix) for name in tensors):
        raise ModelError(f"no weights of stage {stage}", where=path)
    return {
        name.removeprefix(prefix): tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
