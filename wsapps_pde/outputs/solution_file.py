"""Solutions as files: ``solution.safetensors``, and ``solution.yaml``, the configuration that rebuilds them.

Nothing is pickled, and nothing of the YAML is evaluated but by the problem language.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from wsapps.atomic import explained, write_bytes, write_text
from wsapps.config import from_yaml, to_yaml
from wsapps.errors import UserError
from wsapps.module_state import copy_into
from wsapps_pde.config import SolveConfig, make_whole_solution
from wsapps_pde.outputs.evaluation import values_at
from wsapps_pde.solution.windowed import AnySolution

_TENSORS, _CONFIG = "solution.safetensors", "solution.yaml"
_CHECKSUM = "# sha256 of solution.safetensors: "

Array = NDArray[np.float64]


class Solution:
    """A solved problem as a function: ``solution(x=..., t=...)`` gives unknown -> values.

    Args:
        field: the unknowns, in eval mode; time windows are one solution.
    """

    def __init__(self, field: AnySolution):
        self.field, self.problem = field, field.problem

    def __call__(self, *coordinates: ArrayLike, **named: ArrayLike) -> dict[str, Array]:
        """Values at coordinates that broadcast against each other.

        Args:
            coordinates: in the order of the problem's variables, or by name.

        Raises:
            ValueError: a variable is missing, or there is one too many.
        """
        variables = self.problem.variables
        given = {**dict(zip(variables, coordinates, strict=False)), **named}
        if set(given) != set(variables) or len(coordinates) + len(named) != len(variables):
            raise ValueError(
                f"one array for each of {', '.join(variables)} is needed, got {', '.join(given)}"
            )
        arrays = np.broadcast_arrays(*(np.asarray(given[name], np.float64) for name in variables))
        points = np.stack([array.ravel() for array in arrays], axis=1)
        return {name: v.reshape(arrays[0].shape) for name, v in values_at(self.field, points).items()}

    @property
    def parameters(self) -> dict[str, float]:
        """The trained parameters of an inverse problem."""
        return {name: float(value.detach()) for name, value in self.field.parameters_.values().items()}


def save_solution(folder: Path, field: AnySolution, config: SolveConfig) -> None:
    """Write a solution into a folder, which is made if need be.

    Raises:
        UserError: it cannot be written.
    """
    data = save_tensors({name: tensor.cpu().contiguous() for name, tensor in field.state_dict().items()})
    with explained("write the solution to", folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / _TENSORS, data)
    write_text(folder / _CONFIG, f"{_CHECKSUM}{hashlib.sha256(data).hexdigest()}\n{to_yaml(config)}")


def load_solution(folder: Path | str) -> Solution:
    """The solution that a solve left in ``RUN/solution``, on the CPU.

    >>> solution = load_solution("runs/pde/burgers/solution")
    >>> solution(x=[0.1, 0.2], t=0.5)["u"]

    Raises:
        UserError: there is none, or its files are damaged.
    """
    folder = Path(folder)
    for name in (_TENSORS, _CONFIG):
        if not (folder / name).is_file():
            raise UserError(f"{folder} holds no solution: {name} is missing; choose another folder")
    with explained("read the solution in", folder):
        data, text = (folder / _TENSORS).read_bytes(), _text(folder / _CONFIG)
    if text.partition("\n")[0] != _CHECKSUM + hashlib.sha256(data).hexdigest():
        raise UserError(f"{folder / _TENSORS} is damaged (its checksum does not match); solve again")
    config = from_yaml(SolveConfig, text, str(folder / _CONFIG))
    problem, _ = config.problem.parsed  # its measurements are not needed, and their file may be gone
    with torch.random.fork_rng():
        field = make_whole_solution(config, problem)
    try:
        copy_into(field, load_tensors(data), str(folder / _TENSORS))
    except SafetensorError as error:
        raise UserError(f"{folder / _TENSORS} is damaged: {error}; solve again") from error
    return Solution(field.eval())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is damaged (it is no UTF-8 text); solve again") from error
