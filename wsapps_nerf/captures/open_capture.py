"""A capture on the disk as posed views: formats told apart, files checked, poses placed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Literal

import torch

from wsapps.errors import UserError
from wsapps_nerf.cameras import Cameras
from wsapps_nerf.captures.capture import Capture, check_capture
from wsapps_nerf.captures.colmap import MODEL_PLACES, find_colmap_model, read_colmap
from wsapps_nerf.captures.found_space import FoundSpace, PlacementConfig, find_space
from wsapps_nerf.captures.lens import Lens, make_lenses
from wsapps_nerf.captures.picture_file import check_mask_size, picture_size, read_header, read_pixels
from wsapps_nerf.captures.pictures import PictureFile, Pictures
from wsapps_nerf.captures.transforms import find_transforms, read_transforms
from wsapps_nerf.scene import Views

CaptureFormat = Literal["capture", "colmap", "transforms"]
_LOOKED_AT = 8  # pictures that are decoded to see whether their alpha is used
_SAME_SHAPE = 0.01  # relative difference of the scales in x and y


@dataclass(frozen=True)
class OpenCapture:
    """A capture with what was found out about it.

    Attributes:
        capture: as its files have it.
        space: where the scene lies.
        headers: size of each picture in pixels, (width, height), not downscaled.
        alpha: whether the pictures' alpha is used.
        downscale: average blocks of this many pixels squared.
        test_every: every so many pictures, in the order of their names, is for the test where the files do
            not say.
        memory, rotate_every: see :class:`~wsapps_nerf.captures.pictures.Pictures`.
        notes: what was assumed, a line each.
    """

    capture: Capture
    space: FoundSpace
    headers: list[tuple[int, int]]
    alpha: bool
    downscale: int
    test_every: int
    memory: int
    rotate_every: int
    notes: list[str]

    def split(self, split: str) -> list[int]:
        """Indices of the shots of "train", "test" or "val".

        Raises:
            UserError: there is none.
        """
        given, shots = self.capture.splits, self.capture.shots
        chosen = given.get(split, [])
        if "test" not in given and split in ("train", "test"):
            pool = given.get("train", list(range(len(shots))))
            pool = sorted(pool, key=lambda index: shots[index].name)
            tested = pool[:: self.test_every]
            chosen = tested if split == "test" else [index for index in pool if index not in set(tested)]
        elif split == "train" and "train" not in given:
            others = {index for indices in given.values() for index in indices}
            chosen = [index for index in range(len(shots)) if index not in others]
        least = 2 if split == "train" else 1
        if len(chosen) < least:
            raise UserError(
                f"{self.capture.source}: {len(chosen)} of {len(shots)} pictures are of the split {split!r}, "
                f"and {least} at least are needed"
            )
        return chosen

    def lens(self, shot: int) -> Lens:
        """The lens of a shot's picture, as large as it is read."""
        lens = self.capture.lenses[self.capture.shots[shot].lens]
        return lens.resized(*self.headers[shot]).downscaled(self.downscale)

    def cameras(self, shots: Sequence[int]) -> Cameras:
        """The cameras of some shots, in scene units, on the CPU."""
        poses = self.space.placement.poses(self.capture.poses[list(shots)])
        index_of: dict[Lens, int] = {}
        of_view = [index_of.setdefault(self.lens(shot), len(index_of)) for shot in shots]
        lenses = list(index_of)
        names = [
            self.capture.lens_names[self.capture.shots[shots[of_view.index(i)]].lens]
            for i in range(len(lenses))
        ]
        focal = median((lenses[index].fx * lenses[index].fy) ** 0.5 for index in of_view)
        return Cameras(
            camera_to_world=torch.from_numpy(poses).float(),
            focal=focal,
            width=max(lens.width for lens in lenses),
            height=max(lens.height for lens in lenses),
            lenses=None if len(lenses) == 1 and lenses[0].is_plain() else make_lenses(lenses, of_view, names),
        )

    def views(self, split: str) -> Views:
        """The views of "train", "test" or "val", their pictures on the disk.

        Raises:
            UserError: there is none, or the mask of one to be scored leaves nothing of it.
        """
        chosen = self.split(split)
        shots = [self.capture.shots[index] for index in chosen]
        files = [
            PictureFile(shot.picture, shot.mask, self.headers[index])
            for index, shot in zip(chosen, shots, strict=True)
        ]
        pictures = Pictures(files, self.alpha, self.downscale, self.memory, self.rotate_every)
        if split != "train":
            _check_something_is_kept(pictures)
        return Views(_short_names([shot.name for shot in shots]), pictures, self.cameras(chosen))

    def pinholes(self, split: str) -> Cameras:
        """Pinhole cameras at the poses of a split, with a size and focal length that are typical of it."""
        cameras = self.cameras(self.split(split))
        return cameras.pinholes(cameras.camera_to_world)


def read_capture(root: Path, kind: CaptureFormat, pictures: Path | None = None) -> Capture:
    """Read a capture of a format; "capture" looks which one it is.

    Raises:
        UserError: none is there, or what is wrong with it.
    """
    if not root.exists():
        raise UserError(f"data.root={root} does not exist")
    if kind == "transforms" or (kind == "capture" and find_transforms(root)):
        capture = read_transforms(root)
    elif kind == "colmap" or find_colmap_model(root) is not None:
        capture = read_colmap(root, pictures)
    else:
        places = ", ".join(place for place in MODEL_PLACES if place)
        raise UserError(
            f"data.root={root} holds no capture: neither transforms.json nor transforms_train.json, and no "
            f"COLMAP model there or in {places}; photographs alone need poses first, from COLMAP for one"
        )
    check_capture(capture)
    return capture


def open_capture(
    root: Path,
    kind: CaptureFormat,
    placement: PlacementConfig,
    contracted: bool | None,
    downscale: int = 1,
    pictures: str | None = None,
    test_every: int = 8,
    memory: int = 2**31,
    rotate_every: int = 25,
) -> OpenCapture:
    """Read a capture, check its picture files, and find out where its scene lies.

    Args:
        root: its folder, or its JSON file.
        kind: its format.
        placement, contracted: see :func:`~wsapps_nerf.captures.found_space.find_space`.
        downscale, test_every, memory, rotate_every: see :class:`OpenCapture`.
        pictures: the folder of a COLMAP model's pictures, if it is not beside the model.

    Raises:
        UserError: what is wrong with any of its files.
    """
    capture = read_capture(root, kind, Path(pictures) if pictures else None)
    sizes, has_alpha, notes = _check_pictures(capture)
    smallest = min(min(size) for size in sizes)
    if not 1 <= downscale <= smallest:
        raise UserError(
            f"data.downscale={downscale}, and the smallest side of a picture is {smallest} pixels"
        )
    alpha = has_alpha and _alpha_is_used(capture, sizes)
    space = find_space(capture, placement, not alpha, contracted)
    opened = OpenCapture(capture, space, sizes, alpha, downscale, test_every, memory, rotate_every, notes=[])
    train, test = (len(opened.split(split)) for split in ("train", "test"))
    rule = "as the files say" if "test" in capture.splits else f"every {test_every}th picture is for the test"
    notes = [*capture.notes, *notes, f"{train} training and {test} test pictures: {rule}", *space.notes]
    return replace(opened, notes=notes)


def _check_pictures(capture: Capture) -> tuple[list[tuple[int, int]], bool, list[str]]:
    """Sizes of all pictures, whether any has an alpha channel, and notes; from the headers."""
    sizes, has_alpha, resized = [], False, 0
    for shot in capture.shots:
        header = read_header(shot.picture)
        size, lens = (header.width, header.height), capture.lenses[shot.lens]
        scale_x, scale_y = size[0] / lens.width, size[1] / lens.height
        if abs(scale_x / scale_y - 1) > _SAME_SHAPE:
            turned = size == (lens.height, lens.width)
            hint = "; it seems to have been turned after its pose was found" if turned else ""
            raise UserError(
                f"{shot.picture} is {size[0]}x{size[1]}, and its camera ({capture.lens_names[shot.lens]}) "
                f"takes pictures of {lens.width}x{lens.height}{hint}"
            )
        resized += size != (lens.width, lens.height)
        has_alpha |= header.has_alpha
        sizes.append(size)
        if shot.mask is not None:
            check_mask_size(shot.mask, picture_size(shot.mask), size)
    notes = []
    if resized:
        notes.append(f"{resized} pictures are larger or smaller than their cameras say: focal lengths follow")
    kinds = sorted(set(sizes))
    shown = ", ".join(f"{width}x{height}" for width, height in kinds[:4]) + (" ..." if len(kinds) > 4 else "")
    notes.append(f"{len(sizes)} pictures of {shown}")
    return sizes, has_alpha, notes


def _alpha_is_used(capture: Capture, sizes: list[tuple[int, int]]) -> bool:
    """Whether some of a few pictures have transparent pixels."""
    every = max(1, len(capture.shots) // _LOOKED_AT)
    lowest, highest = 255, 0
    for shot, size in list(zip(capture.shots, sizes, strict=True))[::every]:
        opacity = read_pixels(shot.picture, size, True, 1)[..., 3]
        lowest, highest = min(lowest, int(opacity.min())), max(highest, int(opacity.max()))
    if highest == 0:
        raise UserError(
            f"{capture.source}: all pictures that were looked at are fully transparent: nothing can be learnt"
        )
    return lowest < 255


def _check_something_is_kept(pictures: Pictures) -> None:
    for view, file in enumerate(pictures.files):
        kept = pictures.kept(view)
        if kept is not None and not bool(kept.any()):
            raise UserError(f"the mask {file.mask} leaves nothing of a test picture, which then has no score")


def _short_names(names: list[str]) -> list[str]:
    """Names for files: the stems, where they differ; otherwise with their folders."""
    stems = [Path(name).stem for name in names]
    if len(set(stems)) < len(names):
        paths = [Path(name).with_suffix("") for name in names]
        stems = ["_".join(path.relative_to(path.anchor).parts).replace("..", "") for path in paths]
    if len(set(stems)) < len(names):
        stems = [f"{index:05d}_{stem}" for index, stem in enumerate(stems)]
    return stems
