"""The configuration of a build, and what follows from it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from dataclasses import field as nested
from typing import Any, Literal

from wsapps.alpha import AutoAlphaConfig
from wsapps.config import doc, from_yaml
from wsapps.config.checks import at_least_one, not_negative
from wsapps.errors import UserError
from wsapps_weightspace.about import ShardAbout
from wsapps_weightspace.datasets import DataConfig
from wsapps_weightspace.fitting import FittingConfig
from wsapps_weightspace.initial import InitialConfig
from wsapps_weightspace.numbering import Numbering
from wsapps_weightspace.samples import LabelledSamples
from wsapps_weightspace.views import ViewsConfig, check_views
from wsapps_weightspace.weights import Architecture

_MOST_FIELDS = 1 << 31
#: Settings that change no field.
_NOT_OF_FIELDS = ("out", "num_threads", "alpha", "auto_alpha")


@dataclass
class BuildAlphaConfig(AutoAlphaConfig):
    """How the alpha of a dataset is chosen: by fits that are judged between their samples."""

    tolerance: float = doc(
        "how far the held-out score of fits may lie under that of alpha = 1", default=0.5, unit="dB"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        not_negative(self, "tolerance")


@dataclass
class FieldConfig:
    """The field that every sample gets; a YAML file each in configs/weightspace/field/."""

    width: int = doc("neurons a layer", default=32)
    hidden_layers: int = doc("sine layers after the first", default=1)
    omega_0: float = doc("frequency factor of the first sine", default=30.0)
    omega_hidden: float = doc("frequency factor of the other sines", default=30.0)

    def __post_init__(self) -> None:
        at_least_one(self, "width")
        if self.hidden_layers < 0:
            raise ValueError(f"hidden_layers must not be negative, got {self.hidden_layers}")
        self.architecture(1, 1)  # checks the omegas

    def architecture(self, coordinates: int, values: int) -> Architecture:
        """Of a field from so many coordinates to so many values."""
        hidden = (self.width,) * (self.hidden_layers + 1)
        return Architecture((coordinates, *hidden, values), self.omega_0, self.omega_hidden)


@dataclass
class BuildConfig:
    """Everything that a dataset of fields depends on; configs/weightspace/build.yaml fills it."""

    out: str | None = doc("folder; by default runs/weightspace/<dataset>-<time>", default=None)
    dataset: str = doc(
        "mnist_5k, fashion_mnist, glyphs (drawn), torchvision:NAME, huggingface:NAME, or a path: IDX, CSV, "
        "npz, or a folder with a sub-folder of pictures, sounds or shapes a class",
        default="glyphs",
    )
    data: DataConfig = nested(default_factory=DataConfig)
    field: FieldConfig = nested(default_factory=FieldConfig)
    init: InitialConfig = nested(default_factory=InitialConfig)
    alpha: Literal["auto"] | None = doc(
        "auto chooses init.alpha by fits of some samples, as init.alpha=auto does; null takes init.alpha",
        default=None,
    )
    auto_alpha: BuildAlphaConfig = nested(default_factory=BuildAlphaConfig)
    views: ViewsConfig = nested(default_factory=ViewsConfig)
    fitting: FittingConfig = nested(default_factory=FittingConfig)
    val_fraction: float = doc("share of the samples not for the test that validates", default=0.1)
    shard: int = doc("fields a file: what is lost at most when a build is killed", default=512)
    seed: int = doc("of initial weights, views and the validation split", default=0)
    num_threads: int = doc("CPU threads of a rank; 0 shares the cores among the ranks", default=0)

    def __post_init__(self) -> None:
        at_least_one(self, "shard")
        if not 0 <= self.val_fraction < 1:
            raise ValueError(f"val_fraction must be in [0, 1), got {self.val_fraction}")

    def numbering(self, samples: LabelledSamples) -> Numbering:
        """The fields that are built. Raises UserError: too many, or views of what is no picture."""
        check_views(self.views, samples)
        numbering = Numbering(len(samples), self.init.per_sample, self.views.count)
        if numbering.fields > _MOST_FIELDS:
            raise UserError(f"{numbering.fields:,} fields are asked for; at most {_MOST_FIELDS:,} are built")
        return numbering

    def about(self, samples: LabelledSamples) -> ShardAbout:
        """What the shards tell about themselves: these settings, and a checksum of the samples."""
        architecture = self.field.architecture(samples.coordinates.shape[-1], samples.values.shape[-1])
        settings = {name: value for name, value in asdict(self).items() if name not in _NOT_OF_FIELDS}
        # Through JSON, as it will be read back: tuples are lists there.
        settings = json.loads(json.dumps(settings | {"samples_sha256": samples_checksum(samples)}))
        return ShardAbout.of(samples, architecture, self.seed, settings)


def config_of(about: ShardAbout) -> BuildConfig:
    """The settings that shards were built with, to load their samples again.

    Raises:
        UserError: they are of another version or program.
    """
    settings: dict[str, Any] = {
        name: value for name, value in about.config.items() if name != "samples_sha256"
    }
    return from_yaml(BuildConfig, json.dumps(settings), "the shards' config")


def samples_checksum(samples: LabelledSamples) -> str:
    """SHA-256 of coordinates, values, labels and the marks of the test split."""
    digest = hashlib.sha256()
    for tensor in (samples.coordinates, samples.values, samples.labels, samples.test):
        digest.update(repr((tensor.dtype, tuple(tensor.shape))).encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()
