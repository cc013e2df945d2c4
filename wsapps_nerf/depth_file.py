"""Raw depths of many views in one npz, written view by view: no more than one is in memory."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import zipfile
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from wsapps.atomic import replacing
from wsapps_nerf.cameras import Cameras
from wsapps_nerf.evaluation import Picture


class DepthFile:
    """Context manager: ``with DepthFile(path, cameras) as file: file.add(picture)`` for each camera.

    The npz holds ``depth`` ``(V, H, W)`` float32, distances along the unit rays in world units, NaN where a
    ray met nothing; ``opacity`` ``(V, H, W)`` float32 in [0, 1]; ``camera_to_world`` ``(V, 3, 4)``; ``focal``
    in pixels; ``fps`` where it is given. For the depth along the optical axis multiply by the cosine
    ``focal / sqrt(focal^2 + x^2 + y^2)``, x and y in pixels from the middle of the picture.

    It appears when the block ends without an error. Raises UserError where it cannot be written, ValueError
    for pictures of another size or number.
    """

    def __init__(self, path: Path, cameras: Cameras, fps: float | None = None) -> None:
        self.path, self.cameras, self.fps, self.views = Path(path), cameras, fps, 0
        self.shape = (len(cameras), cameras.height, cameras.width)

    def __enter__(self) -> DepthFile:
        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(replacing(self.path))
            self._zip = stack.enter_context(
                zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
            )
            # A zip takes one entry at a time: opacities wait in a file of their own.
            self._opacities: IO[bytes] = stack.enter_context(tempfile.TemporaryFile(dir=self.path.parent))
            self._depths = self._begin("depth", self.shape)
            stack.push(self._finish)
            self._stack = stack.pop_all()
        return self

    def add(self, picture: Picture) -> None:
        """Append a view."""
        if tuple(picture.depth.shape) != self.shape[1:] or self.views == self.shape[0]:
            raise ValueError(
                f"view {self.views} has depths of {tuple(picture.depth.shape)}; expected {self.shape[0]} "
                f"views of {self.shape[1:]}"
            )
        depth = picture.depth.masked_fill(picture.opacity <= 1e-3, float("nan"))
        self._depths.write(depth.numpy().astype("<f4").tobytes())
        self._opacities.write(picture.opacity.numpy().astype("<f4").tobytes())
        self.views += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._stack.__exit__(kind, error, trace)

    def _finish(self, kind: type[BaseException] | None, *_: Any) -> None:
        self._depths.close()
        if kind is not None:
            return
        if self.views != self.shape[0]:
            raise ValueError(f"{self.path} holds {self.views} of {self.shape[0]} views")
        self._opacities.seek(0)
        with self._begin("opacity", self.shape) as entry:
            shutil.copyfileobj(self._opacities, entry)
        self._write("camera_to_world", self.cameras.camera_to_world.cpu().numpy())
        self._write("focal", np.array(self.cameras.focal))
        if self.fps is not None:
            self._write("fps", np.array(self.fps))

    def _begin(self, name: str, shape: tuple[int, ...]) -> IO[bytes]:
        """An entry of float32 whose numbers are still to come."""
        entry = self._zip.open(f"{name}.npy", "w", force_zip64=True)
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(entry, header)
        return entry

    def _write(self, name: str, array: NDArray[Any]) -> None:
        with self._zip.open(f"{name}.npy", "w") as entry:
            npy.write_array(entry, array, allow_pickle=False)
