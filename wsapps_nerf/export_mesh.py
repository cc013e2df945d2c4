"""``python -m wsapps_nerf.export_mesh run=RUN out=mesh.ply``: a radiance field's surface, mesh or points."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh

from wsapps.atomic import explained
from wsapps.command import run_command
from wsapps.config import doc, load_or_help
from wsapps.errors import UserError
from wsapps.progress import Progress
from wsapps.web.page import readable_size
from wsapps_nerf.mesh import ColouredMesh, extract_surface, surface_colours, without_crumbs
from wsapps_nerf.mesh_file import FORMATS, write_mesh, write_points
from wsapps_nerf.trained import TrainedRun, open_trained

PROGRAM = "python -m wsapps_nerf.export_mesh"
_FINEST = 2048


@dataclass
class ExportMeshConfig:
    """What is written; configs/nerf/export_mesh.yaml fills it."""

    run: str = doc("run folder, as training left it")
    out: str | None = doc(
        "the file, whose name ends in .ply, .obj or .glb; null is mesh.ply (points.ply) in the run folder",
        default=None,
    )
    resolution: int = doc("cells along the longest side of the scene's box", default=256)
    opacity: float = doc("of one training step's length at the surface", default=0.5)
    least_part: float = doc("connected parts with less of the area than this are left out", default=0.001)
    points: int | None = doc("write a cloud of so many points of the surface instead, a .ply", default=None)
    seed: int = doc("of the cloud's points", default=0)

    def __post_init__(self) -> None:
        if not 8 <= self.resolution <= _FINEST:
            raise ValueError(f"resolution must lie in 8..{_FINEST}, got {self.resolution}")
        if not 0 < self.opacity < 1 or not 0 <= self.least_part < 1:
            raise ValueError(
                f"opacity must lie in (0, 1) and least_part in [0, 1), got {self.opacity} and "
                f"{self.least_part}"
            )
        if self.points is not None and not 1 <= self.points <= 10**8:
            raise ValueError(f"points must lie in 1..{10**8:,}, got {self.points}")
        allowed = FORMATS if self.points is None else (".ply",)
        if self.out is not None and Path(self.out).suffix.lower() not in allowed:
            raise ValueError(f"out must end in {' or '.join(allowed)}, got {self.out}")


def export_mesh(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    config = load_or_help(ExportMeshConfig, "export_mesh", "nerf", PROGRAM, arguments)
    if config is None:
        return
    trained = open_trained(config.run)
    if not trained.accelerator.is_main_process:
        return
    name = "mesh.ply" if config.points is None else "points.ply"
    path = Path(config.out) if config.out is not None else trained.run.path / name
    surface = _surface(trained, config)
    with explained("make the folder", path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    if config.points is None:
        colours = surface_colours(trained.objective, surface.vertices, surface.vertex_normals)
        write_mesh(path, ColouredMesh(surface.vertices, surface.faces, colours))
        what = f"{len(surface.vertices):,} vertices, {len(surface.faces):,} triangles"
    else:
        points, face = trimesh.sample.sample_surface(surface, config.points, seed=config.seed)[:2]
        normals = surface.face_normals[face]
        write_points(path, points, normals, surface_colours(trained.objective, points, normals))
        what = f"{config.points:,} points"
    size = " x ".join(f"{side:.3g}" for side in np.ptp(surface.vertices, axis=0))
    print(f"{path}: {what}, {size} world units, {readable_size(path.stat().st_size)}")


def _surface(trained: TrainedRun, config: ExportMeshConfig) -> trimesh.Trimesh:
    """The surface, without colours; its normals point outwards."""
    started = time.monotonic()
    bar: list[Progress] = []

    def on_block(done: int, count: int) -> None:
        bar[:] = bar or [Progress(count, None, True, title="marching cubes")]
        bar[0].update(done, time.monotonic() - started, {})

    try:
        vertices, faces = extract_surface(trained.objective, config.resolution, config.opacity, on_block)
    finally:
        for one in bar:
            one.close()
    vertices, faces = without_crumbs(vertices, faces, config.least_part)
    if not len(faces):
        raise UserError(
            f"{trained.run.path}: nothing in the field is as opaque as opacity={config.opacity:g} after "
            f"{trained.steps} steps; train longer, or lower it"
        )
    return trimesh.Trimesh(vertices, faces, process=False)


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(export_mesh, arguments)


if __name__ == "__main__":
    sys.exit(main())
