"""What ``dataset=`` means: a name, or a path whose kind is found out."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field, replace
from pathlib import Path

from wsapps.config import doc
from wsapps.errors import UserError, one_line
from wsapps.readers.paths import named
from wsapps_weightspace.samples import LabelledSamples
from wsapps_weightspace.sources import audio_clips, image_folder, shapes
from wsapps_weightspace.sources.audio_clips import AudioConfig, read_audio_clips
from wsapps_weightspace.sources.class_folders import kind_of_files
from wsapps_weightspace.sources.csv_file import read_csv
from wsapps_weightspace.sources.glyphs import GlyphsConfig, draw_glyphs
from wsapps_weightspace.sources.idx import is_idx_pictures, read_idx_samples
from wsapps_weightspace.sources.image_folder import ImagesConfig, read_image_folder
from wsapps_weightspace.sources.labelled import chosen
from wsapps_weightspace.sources.libraries import read_hugging_face, read_torchvision
from wsapps_weightspace.sources.named_sets import NAMED, named_folder
from wsapps_weightspace.sources.npz_file import read_npz
from wsapps_weightspace.sources.shapes import ShapesConfig, read_shapes

_KINDS = {
    "pictures": image_folder.SUFFIXES,
    "clips": audio_clips.SUFFIXES,
    "meshes": shapes.MESH_SUFFIXES,
    "clouds": shapes.CLOUD_SUFFIXES,
}


@dataclass
class DataConfig:
    """Which samples of a dataset are taken, and how files are read."""

    limit: int | None = doc("samples that are taken, drawn from all; null takes all", default=None)
    test_fraction: float = doc("share of the samples for the test, where the data do not say", default=0.2)
    glyphs: GlyphsConfig = field(default_factory=GlyphsConfig)
    images: ImagesConfig = field(default_factory=ImagesConfig)
    audio: AudioConfig = field(default_factory=AudioConfig)
    shapes: ShapesConfig = field(default_factory=ShapesConfig)

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit must be at least 1 or null, got {self.limit}")
        if not 0 <= self.test_fraction < 1:
            raise ValueError(f"test_fraction must be in [0, 1), got {self.test_fraction}")


def load_samples(dataset: str, config: DataConfig) -> LabelledSamples:
    """The samples that a name or a path stands for.

    * ``glyphs``: drawn digits, from no file;
    * ``mnist_5k``, ``fashion_mnist``: see :mod:`wsapps_weightspace.sources.named_sets`;
    * ``torchvision:NAME``, ``huggingface:NAME``: through these libraries;
    * a path: IDX files or a folder of them, ``.csv``, ``.csv.gz``, ``.npz``, or a folder with a sub-folder of
      pictures, sounds, meshes or clouds of points for each class.

    Raises:
        UserError: there is no such thing, or it cannot be read.
    """
    samples = _load(dataset, config)
    if config.limit is None or config.limit >= len(samples):
        return samples
    rows = chosen(len(samples), config.limit)
    coordinates = samples.coordinates
    return replace(
        samples,
        coordinates=coordinates[rows] if coordinates.ndim == 3 else coordinates,
        values=samples.values[rows],
        labels=samples.labels[rows],
        test=samples.test[rows],
    )


def _load(dataset: str, config: DataConfig) -> LabelledSamples:
    if dataset == "glyphs":
        return draw_glyphs(config.glyphs, config.test_fraction)
    if dataset in NAMED:
        return NAMED[dataset].read(named_folder(dataset), config.test_fraction)
    library, _, name = dataset.partition(":")
    if library == "torchvision" and name:
        return read_torchvision(name)
    if library == "huggingface" and name:
        return read_hugging_face(name, config.test_fraction)
    path = Path(dataset).expanduser()
    try:
        if path.is_dir():
            return _load_folder(path, config)
        if path.exists():
            return _load_file(path, config)
    except (OSError, ValueError) as error:  # a name too long, or with a zero byte
        if isinstance(error, UserError):
            raise
        raise UserError(f"dataset={named(path)} cannot be looked at: {one_line(error)}") from None
    names = ["glyphs", *NAMED]
    near = difflib.get_close_matches(dataset, names, 1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UserError(
        f"dataset={named(path)}: {hint}names are {', '.join(names)}, torchvision:NAME and huggingface:NAME, "
        "and there is no such path here"
    )


def _load_file(path: Path, config: DataConfig) -> LabelledSamples:
    name = path.name.lower()
    if name.endswith((".csv", ".csv.gz")):
        return read_csv(path, config.test_fraction)
    if name.endswith(".npz"):
        return read_npz(path, config.test_fraction)
    if is_idx_pictures(path):
        return read_idx_samples(path, config.test_fraction)
    raise UserError(
        f"{named(path)} is of no known kind by its name: .csv, .csv.gz, .npz, or IDX as in "
        "train-images-idx3-ubyte.gz"
    )


def _load_folder(path: Path, config: DataConfig) -> LabelledSamples:
    if any(is_idx_pictures(item) for item in path.iterdir()):
        return read_idx_samples(path, config.test_fraction)
    kind = kind_of_files(path, _KINDS)
    if kind == "pictures":
        return read_image_folder(path, config.images, config.limit, config.test_fraction)
    if kind == "clips":
        return read_audio_clips(path, config.audio, config.limit, config.test_fraction)
    if kind is not None:
        return read_shapes(path, config.shapes, config.limit, config.test_fraction, clouds=kind == "clouds")
    raise UserError(
        f"{named(path)} holds neither IDX files (*images*-ubyte) nor sub-folders, one a class, of pictures, "
        "sounds, meshes or clouds of points; give the folder that has them"
    )
