"""A folder of pictures, a sub-folder for each class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from wsapps.config import doc
from wsapps.errors import UserError
from wsapps.readers.image_file import read_image, shrink, to_grey
from wsapps.readers.paths import named
from wsapps_weightspace.samples import LabelledSamples
from wsapps_weightspace.sources.class_folders import list_class_files
from wsapps_weightspace.sources.labelled import MOST_BYTES, picture_samples

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")


@dataclass
class ImagesConfig:
    """How pictures of files are made alike."""

    side: int | None = doc(
        "cut out the square in the middle and make it this large; null takes pictures as they are",
        default=None,
        unit="pixels",
    )
    grey: bool = doc("take the luma of colours", default=False)

    def __post_init__(self) -> None:
        if self.side is not None and self.side < 1:
            raise ValueError(f"side must be at least 1 or null, got {self.side}")


def read_image_folder(
    folder: Path, config: ImagesConfig, limit: int | None, test_fraction: float
) -> LabelledSamples:
    """Read pictures, rounded to bytes; in colour where one of them is, unless ``grey`` is set.

    Raises:
        UserError: no pictures, one that cannot be read, several sizes without ``side``, over 4 GiB.
    """
    files = list_class_files(folder, SUFFIXES, limit, test_fraction)
    pictures: list[Tensor] = []
    size = 0
    for path in files.paths:
        picture = _prepared(read_image(path)[0], config)
        if pictures and picture.shape[:2] != pictures[0].shape[:2]:
            raise UserError(
                f"{named(path)} has {_size(picture)} pixels, {files.paths[0].name} {_size(pictures[0])}; set "
                "data.images.side= to make them alike"
            )
        pictures.append((picture * 255).round().to(torch.uint8))
        size += pictures[-1].numel()
        if size > MOST_BYTES:
            raise UserError(
                f"{named(folder)} holds over {MOST_BYTES:,} values; set data.images.side= or data.limit="
            )
    channels = max(picture.shape[-1] for picture in pictures)
    whole = np.stack([picture.expand(*picture.shape[:2], channels).numpy() for picture in pictures])
    return picture_samples(folder.resolve().name, whole, files.labels, files.classes, files.test)


def _prepared(picture_HWC: Tensor, config: ImagesConfig) -> Tensor:
    if config.grey:
        picture_HWC = to_grey(picture_HWC)
    if config.side is None:
        return picture_HWC
    height, width = picture_HWC.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    return shrink(picture_HWC[top : top + edge, left : left + edge], config.side, config.side)


def _size(picture_HWC: Tensor) -> str:
    return f"{picture_HWC.shape[0]} x {picture_HWC.shape[1]}"
