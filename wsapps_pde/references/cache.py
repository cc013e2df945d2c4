"""Solutions that were made before: one npz file each, named by what they depend on."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wsapps.atomic import explained, write_bytes
from wsapps.errors import UserError, one_line
from wsapps_pde.references.solution import ReferenceSolution
from wsapps_pde.references.solvers import chosen_solver

_LOG = logging.getLogger(__name__)


def solve_reference(
    name: str, settings: Mapping[str, Any] | None = None, cache_dir: str | os.PathLike[str] | None = None
) -> ReferenceSolution:
    """The solution of a solver by its name, from the cache where it is there, else solved and put there.

    A file depends on the solver's name, all its settings and the source text of the solvers. What cannot be
    read is solved anew, and where nothing can be written the solution is just not kept.

    Args:
        name: a key of :data:`~wsapps_pde.references.solvers.SOLVERS`.
        settings: its keyword settings; the others have their defaults.
        cache_dir: the folder; None for :func:`default_cache_dir`.

    Raises:
        UserError: an unknown solver or setting, a value out of range, or a problem that it cannot solve.
    """
    solver, complete = chosen_solver(name, settings)
    key = _key(name, complete)
    if key is None:  # settings that no file can hold are refused by the solver
        return solver(**complete)
    folder = default_cache_dir() if cache_dir is None else Path(cache_dir)
    path = folder / f"{name}-{key}.npz"
    known = _loaded(path)
    if known is not None:
        return known
    solution = solver(**complete)
    try:
        with explained("make", folder):
            folder.mkdir(parents=True, exist_ok=True)
        write_bytes(path, _packed(solution))
    except UserError as error:
        _LOG.warning("the reference solution is not kept: %s", error)
    return solution


def default_cache_dir() -> Path:
    """``$XDG_CACHE_HOME/wsapps``, or ``~/.cache/wsapps`` where that is not set (or not absolute, which the
    XDG specification tells to ignore)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # Where there is no home at all, "~" is left as it is: a folder there would surprise.
    home = Path(os.path.expanduser("~"))
    if os.path.isabs(base):
        return Path(base) / "wsapps"
    return (home if home.is_absolute() else Path(os.devnull)) / ".cache" / "wsapps"


def _key(name: str, settings: Mapping[str, Any]) -> str | None:
    try:
        text = json.dumps([name, settings, _version()], sort_keys=True, default=_plain)
    except (TypeError, ValueError):
        return None
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"no plain value: {type(value).__name__}")


@functools.cache
def _version() -> str:
    """A hash of all source files here: a solver stands on several of them."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _packed(solution: ReferenceSolution) -> bytes:
    """The solution as an npz file: its arrays, and the rest as JSON text."""
    rest = {
        "axes": None if solution.axes is None else list(solution.axes),
        "errors": solution.errors,
        "description": solution.description,
    }
    arrays: dict[str, Any] = {f"axis_{name}": axis for name, axis in (solution.axes or {}).items()}
    arrays |= {f"value_{name}": values for name, values in solution.values.items()}
    if solution.points is not None:
        arrays["points"] = solution.points
    buffer = io.BytesIO()
    np.savez(buffer, about=np.array(json.dumps(rest)), **arrays)
    return buffer.getvalue()


def _loaded(path: Path) -> ReferenceSolution | None:
    """What :func:`_packed` wrote, or None where there is nothing or nothing whole."""
    try:
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}  # zip's checksums are compared here
        rest = json.loads(str(arrays["about"]))
        names = rest["axes"]
        prefix = "value_"
        return ReferenceSolution(
            axes=None if names is None else {name: arrays[f"axis_{name}"] for name in names},
            points=arrays.get("points"),
            values={name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)},
            errors={name: float(error) for name, error in rest["errors"].items()},
            description=str(rest["description"]),
        )
    except Exception as error:  # every kind of damage raises its own
        _LOG.warning("%s cannot be read and is made anew: %s", path, one_line(error))
        return None
