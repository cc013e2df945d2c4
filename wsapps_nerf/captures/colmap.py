"""A COLMAP model with its pictures, as a capture."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from wsapps.atomic import explained
from wsapps.errors import UserError
from wsapps_nerf.captures.capture import Capture, Shot
from wsapps_nerf.captures.colmap_binary import read_binary_model
from wsapps_nerf.captures.colmap_records import ColmapModel
from wsapps_nerf.captures.colmap_text import read_text_model

#: Where a model may lie below the folder that the user names.
MODEL_PLACES = ("", "sparse/0", "sparse", "colmap/sparse/0", "undistorted/sparse", "dense/sparse")
_PICTURE_PLACES = ("images", "input", "rgb", "")
_LARGEST = 1e30


def find_colmap_model(root: Path) -> Path | None:
    """The folder of the COLMAP model in or below ``root``; None where there is none."""
    return next((root / place for place in MODEL_PLACES if _kind_of(root / place)), None)


def read_colmap(root: Path, pictures: Path | None = None) -> Capture:
    """Read the COLMAP model in or below a folder, text or binary.

    Pictures are looked for in ``images`` and a few other folders beside the model; masks, as COLMAP's own,
    as ``masks/<picture's name>.png``. A file ``test.txt`` in the model's folder lists test pictures.

    Args:
        root: the folder of a capture, or of the model itself.
        pictures: where the pictures are, if somewhere else.

    Raises:
        UserError: there is no model, it is malformed, or its pictures are not there.
    """
    folder = find_colmap_model(root)
    kind = _kind_of(folder) if folder is not None else None
    if folder is None or kind is None:
        places = ", ".join(place or "." for place in MODEL_PLACES)
        raise UserError(
            f"{root} holds no COLMAP model: no cameras and images, .bin or .txt, in any of {places}"
        )
    model = read_binary_model(folder) if kind == "bin" else read_text_model(folder)
    source = str(folder / f"images.{kind}")
    if not model.images:
        raise UserError(f"{source} lists no picture: COLMAP found no pose for any")
    _check(model, source, folder / f"points3D.{kind}")
    images = _picture_folder(folder, [image.name for image in model.images], pictures, source)
    numbers = sorted({image.camera for image in model.images})
    lens_of = {number: index for index, number in enumerate(numbers)}
    masks = images.parent / "masks"
    has_masks = masks.is_dir()
    shots = [
        Shot(
            name=image.name,
            picture=images / image.name,
            mask=masks / f"{image.name}.png" if has_masks else None,
            camera_to_world=image.camera_to_world(source),
            lens=lens_of[image.camera],
        )
        for image in model.images
    ]
    return Capture(
        source=source,
        shots=_with_existing_masks(shots),
        lenses=[model.lenses[number] for number in numbers],
        lens_names=[f"{folder / f'cameras.{kind}'}, camera {number}" for number in numbers],
        points=model.points,
        splits=_splits(folder, [shot.name for shot in shots]),
        notes=list(_notes(folder, kind, model, images, has_masks)),
    )


def _kind_of(folder: Path) -> str | None:
    """ "bin" or "txt", as COLMAP itself prefers them; None where there is no model."""
    for kind in ("bin", "txt"):
        if all((folder / f"{name}.{kind}").is_file() for name in ("cameras", "images")):
            return kind
    return None


def _check(model: ColmapModel, source: str, points: Path) -> None:
    for image in model.images:
        if image.camera not in model.lenses:
            raise UserError(
                f"{source}: picture {image.name!r} was taken by camera {image.camera}, which is not among "
                f"the cameras {sorted(model.lenses)[:20]}"
            )
    name, times = Counter(image.name for image in model.images).most_common(1)[0]
    if times > 1:
        raise UserError(f"{source} lists picture {name!r} {times} times")
    bad = np.flatnonzero(~(np.abs(model.points) < _LARGEST).all(axis=1))
    if len(bad):
        raise UserError(f"{points}: point {bad[0]} is not finite, {model.points[bad[0]].tolist()}")


def _picture_folder(folder: Path, names: list[str], given: Path | None, source: str) -> Path:
    """The first candidate in which the first picture is."""
    if given is not None:
        return given
    bases = [folder, folder.parent, folder.parent.parent, folder.parent.parent.parent]
    places = [base / place for base in bases for place in _PICTURE_PLACES]
    found = next((place for place in places if (place / names[0]).is_file()), None)
    if found is not None:
        return found
    # Perhaps only some are missing.
    most = max(places, key=lambda place: sum((place / name).is_file() for name in names[:200]))
    missing = [name for name in names if not (most / name).is_file()]
    where = (
        f"in {most}" if len(missing) < len(names) else f"in {bases[1] / 'images'} or {bases[2] / 'images'}"
    )
    raise UserError(
        f"{source} lists {len(names)} pictures, of which {len(missing)} are not {where}; the first is "
        f"{missing[0]!r}; data.pictures= names their folder"
    )


def _with_existing_masks(shots: list[Shot]) -> list[Shot]:
    """Masks only where there are files: COLMAP's are optional for every picture."""
    return [shot if shot.mask is None or shot.mask.is_file() else replace(shot, mask=None) for shot in shots]


def _splits(folder: Path, names: list[str]) -> dict[str, list[int]]:
    """The split that ``test.txt`` beside the model makes; nothing without one."""
    listing = folder / "test.txt"
    if not listing.is_file():
        return {}
    with explained("read the list of test pictures", listing):
        lines = listing.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    tested = {line.strip() for line in lines if line.strip()}
    unknown = sorted(tested - set(names))
    if unknown:
        raise UserError(f"{listing} lists {unknown[0]!r}, which is no picture of the model")
    return {
        "train": [index for index, name in enumerate(names) if name not in tested],
        "test": [index for index, name in enumerate(names) if name in tested],
    }


def _notes(folder: Path, kind: str, model: ColmapModel, images: Path, has_masks: bool) -> list[str]:
    used = Counter(model.model_names[image.camera] for image in model.images)
    models = ", ".join(f"{name} ({count} pictures)" for name, count in used.items())
    form = "binary" if kind == "bin" else "text"
    notes = [f"COLMAP model, {form}: cameras {models}; {len(model.points)} points"]
    notes.append(f"pictures from {images}" + (f", masks from {images.parent / 'masks'}" if has_masks else ""))
    if folder.name == "0" and (folder.parent / "1").is_dir():
        notes.append(f"{folder.parent} holds other models beside 0, which are not used")
    return notes
