"""What is saved, how it is written, and how it is checked when read.

A checkpoint is a folder ``step_00000100/`` of two files::

    tensors.safetensors   every tensor of the state
    manifest.json         format, version, step, state, files: {name: {bytes, sha256}}, sha256

``state`` is the nested state in tagged JSON (see :mod:`wsapps.state_tree`). Nothing is pickled. The last
``sha256`` is that of the manifest without it.

The folder is written as ``step_N.tmp``, fsynced and renamed. When step N is there already it waits as
``step_N.old`` for the moment of the exchange, and is loaded from there if the process dies in it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from wsapps.atomic import explained, reason, sync_folder, write_synced
from wsapps.errors import UserError
from wsapps.module_state import copy_into as copy_into
from wsapps.state_tree import decode, encode

FORMAT = "wsapps-checkpoint"
VERSION = 1
_MANIFEST = "manifest.json"
_TENSORS = "tensors.safetensors"
_STEP_FOLDER = re.compile(r"step_([0-9]+)(\.old)?")
_UNFINISHED = re.compile(r"step_[0-9]+(\.old)?\.tmp")
_log = logging.getLogger("wsapps")


@dataclass(frozen=True)
class Checkpoint:
    """One saved state: `state` as it was given to :func:`save`, with its tensors on the CPU."""

    step: int
    state: dict[str, Any]
    path: Path


class _Unusable(Exception):
    """Why a step folder cannot be loaded."""


def save(directory: Path, step: int, state: Mapping[str, Any], keep: int = 2) -> Path:
    """Write `state` as ``directory/step_{step:08d}/`` and return that path.

    `state` nests dicts (keys str or int), lists and tuples of tensors (any shape, dtype and device, also
    aliased and non-contiguous), str, int, float, bool and None; every value comes back bit for bit.
    Aliased tensors come back apart. Afterwards the older checkpoints beyond the newest `keep` >= 1, and what
    a killed process left, are removed. At no moment is there no valid checkpoint, if there was one.

    Raises :class:`UserError` when the system cannot write (disk full, ...): earlier checkpoints stay; and
    :class:`TypeError` for a state that holds anything else.
    """
    if step < 0 or keep < 1:
        raise ValueError(f"step must be at least 0 and keep at least 1, got step={step}, keep={keep}")
    directory = Path(directory)
    final = directory / f"step_{step:08d}"
    temporary = directory / f"{final.name}.tmp"
    files = _as_files(int(step), state)
    with explained("save the checkpoint", final):
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if temporary.exists():
                shutil.rmtree(temporary)
            temporary.mkdir()
            for name, data in files.items():
                write_synced(temporary / name, data)
            sync_folder(temporary)
            _put_in_place(temporary, final)
            sync_folder(directory)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    try:
        _prune(directory, final, step, keep)
    except OSError as error:  # the new checkpoint is safe: go on
        _log.warning("cannot remove old checkpoints in %s: %s", directory, reason(error))
    return final


def load(path: Path) -> Checkpoint:
    """Read one step folder, checking format, sizes and checksums.

    Raises :class:`UserError` when it is missing, truncated, damaged, or not a checkpoint of this project.
    """
    try:
        return _load(Path(path))
    except _Unusable as error:
        raise UserError(f"cannot load the checkpoint {path}: {error}; choose another one") from error


def load_latest(directory: Path) -> Checkpoint | None:
    """The newest valid checkpoint in `directory`, or None when there is no step folder in it.

    A newer one that is damaged is skipped with a warning on the logger ``wsapps``. Raises
    :class:`UserError`, naming the newest and what is wrong with it, when there are some and none is valid.
    """
    directory = Path(directory)
    damaged: list[tuple[Path, _Unusable]] = []
    for _, folder in _step_folders(directory):
        try:
            found = _load(folder)
        except _Unusable as error:
            damaged.append((folder, error))
            continue
        for path, why in damaged:
            _log.warning("skipping the checkpoint %s: %s; falling back to step %d", path, why, found.step)
        return found
    if not damaged:
        return None
    path, why = damaged[0]
    others = f" (nor any of the {len(damaged) - 1} older ones)" if len(damaged) > 1 else ""
    raise UserError(
        f"cannot load the checkpoint {path}: {why}{others}; move it away, or choose another folder"
    )


def _as_files(step: int, state: Mapping[str, Any]) -> dict[str, bytes]:
    tree, tensors = encode(dict(state))
    files = {_TENSORS: save_tensors(tensors)}
    manifest: dict[str, Any] = {"format": FORMAT, "version": VERSION, "step": step, "state": tree}
    manifest["files"] = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
    }
    manifest["sha256"] = _digest(manifest)
    files[_MANIFEST] = json.dumps(manifest).encode()
    return files


def _digest(manifest: Mapping[str, Any]) -> str:
    # Parsing and printing again gives the same text: order and floats survive a round trip through json.
    rest = {name: value for name, value in manifest.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(rest).encode()).hexdigest()


def _load(folder: Path) -> Checkpoint:
    try:
        manifest = _read_manifest(folder)
        _check_size(folder, manifest)
        data = (folder / _TENSORS).read_bytes()
        if hashlib.sha256(data).hexdigest() != manifest["files"][_TENSORS]["sha256"]:
            raise _Unusable(f"{_TENSORS} is damaged (its checksum does not match the manifest)")
        return Checkpoint(int(manifest["step"]), dict(decode(manifest["state"], load_tensors(data))), folder)
    except OSError as error:
        raise _Unusable(reason(error)) from error
    except (SafetensorError, ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        # The checksums are right, so nothing was damaged: somebody made it otherwise than save() does.
        raise _Unusable(f"its content is not what a checkpoint holds ({type(error).__name__})") from error


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / _MANIFEST
    if not folder.is_dir():
        raise _Unusable(
            "it is a file, and a checkpoint is a folder" if folder.exists() else "it does not exist"
        )
    if not path.is_file():
        raise _Unusable(f"it has no {_MANIFEST}, so it is not a checkpoint of this project")
    try:
        manifest = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _Unusable(f"{_MANIFEST} is truncated or damaged (not valid JSON)") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise _Unusable(f"{_MANIFEST} is of another program (its format is not {FORMAT!r})")
    if manifest.get("version") != VERSION:
        raise _Unusable(f"its format version is {manifest.get('version')!r}, and this wsapps reads {VERSION}")
    if manifest.get("sha256") != _digest(manifest):
        raise _Unusable(f"{_MANIFEST} is damaged (its checksum does not match)")
    return manifest


def _check_size(folder: Path, manifest: Mapping[str, Any]) -> None:
    if not (folder / _TENSORS).is_file():
        raise _Unusable(f"{_TENSORS} is missing")
    size, expected = (folder / _TENSORS).stat().st_size, manifest["files"][_TENSORS]["bytes"]
    if size != expected:
        raise _Unusable(f"{_TENSORS} has {size} bytes where its manifest says {expected} (truncated?)")


def _step_folders(directory: Path) -> list[tuple[int, Path]]:
    """(step, folder) of every checkpoint, newest first; of one step, the one in place before the old one."""
    with explained("read", directory):
        if not directory.exists():
            return []
        found = [(_STEP_FOLDER.fullmatch(path.name), path) for path in directory.iterdir() if path.is_dir()]
    ranked = [(int(match[1]), match[2] is None, path) for match, path in found if match]
    return [(step, path) for step, _, path in sorted(ranked, reverse=True)]


def _put_in_place(temporary: Path, final: Path) -> None:
    if not final.is_dir():
        os.rename(temporary, final)
        return
    old = final.with_suffix(".old")
    if old.is_dir():  # left by a process killed between the exchange and the clean-up: `final` is whole
        _discard(old)
    os.rename(final, old)
    try:
        os.rename(temporary, final)
    except BaseException:
        os.rename(old, final)
        raise


def _discard(folder: Path) -> None:
    """Remove a step folder: first its name, so that a half-removed one is never read."""
    doomed = folder.with_name(f"{folder.name}.tmp")
    if doomed.exists():
        shutil.rmtree(doomed)
    os.rename(folder, doomed)
    shutil.rmtree(doomed)


def _prune(directory: Path, newest: Path, step: int, keep: int) -> None:
    """Remove what is superseded. Folders newer than `step`, and unreadable ones, are left for the user."""
    for path in list(directory.iterdir()):
        if _UNFINISHED.fullmatch(path.name) and path.is_dir():
            shutil.rmtree(path)
    kept = 1
    for other, folder in _step_folders(directory):
        if other > step or folder == newest:
            continue
        if folder.suffix == ".old" and folder.with_suffix("").is_dir():
            _discard(folder)
            continue
        try:
            _check_size(folder, _read_manifest(folder))
        except _Unusable:
            continue
        kept += 1
        if kept > keep:
            _discard(folder)
