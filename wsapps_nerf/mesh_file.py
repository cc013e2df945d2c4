"""Coloured meshes and point clouds as files: PLY, OBJ and GLB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray
from trimesh.exchange.gltf import export_glb

from wsapps.atomic import write_bytes
from wsapps_nerf.mesh import ColouredMesh

FORMATS = (".ply", ".obj", ".glb")


def write_mesh(path: Path, mesh: ColouredMesh) -> None:
    """Write a mesh in the format that the path's suffix names.

    PLY and OBJ keep the scene's axes, z up. GLB has y up, as its viewers expect, and its colours are shown as
    they are, without light on them: the light of the photographs is in them already.

    Raises:
        UserError: the file cannot be written.
        ValueError: a suffix that is none of FORMATS.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(f"a mesh is written as one of {', '.join(FORMATS)}, got {path}")
    vertices, colours = mesh.vertices, mesh.colours
    if suffix == ".glb":
        vertices = vertices[:, [0, 2, 1]] * (1, 1, -1)
        colours = _linear(colours)
    rgba = np.concatenate([_bytes(colours), np.full((len(colours), 1), 255, np.uint8)], axis=1)
    made = trimesh.Trimesh(vertices, mesh.faces, vertex_colors=rgba, process=False)
    if suffix == ".glb":
        data: Any = export_glb(trimesh.Scene(made), tree_postprocessor=_unlit)
    else:
        data = made.export(file_type=suffix[1:])
    write_bytes(path, data.encode() if isinstance(data, str) else data)


def write_points(
    path: Path, points: NDArray[np.float64], normals: NDArray[np.float64], colours: NDArray[np.float32]
) -> None:
    """Write N points with normals and colours, ``(N, 3)`` each, as a binary PLY.

    Raises:
        UserError: the file cannot be written.
    """
    names = ("x", "y", "z", "nx", "ny", "nz")
    rows = np.empty(len(points), [*((name, "<f4") for name in names), ("rgb", "u1", 3)])
    for name, column in zip(names, np.concatenate([points, normals], axis=1).T, strict=True):
        rows[name] = column
    rows["rgb"] = _bytes(colours)
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}"]
    header += [f"property float {name}" for name in names]
    header += [f"property uchar {name}" for name in ("red", "green", "blue")]
    write_bytes(path, "\n".join([*header, "end_header", ""]).encode() + rows.tobytes())


def _bytes(colours: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(np.clip(colours, 0, 1) * 255).astype(np.uint8)


def _linear(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Light from display values (IEC 61966-2-1), which is what GLB's vertex colours are."""
    low, high = colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4
    return np.where(colours <= 0.04045, low, high).astype(np.float32)


def _unlit(tree: dict[str, Any]) -> None:
    """Give every mesh of a GLB a material that is shown without light (KHR_materials_unlit)."""
    material = {"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 1.0}}
    tree["materials"] = [{**material, "extensions": {"KHR_materials_unlit": {}}, "doubleSided": True}]
    tree["extensionsUsed"] = [*tree.get("extensionsUsed", []), "KHR_materials_unlit"]
    for mesh in tree["meshes"]:
        for primitive in mesh["primitives"]:
            primitive["material"] = 0
