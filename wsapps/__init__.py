"""wsapps: neural fields that train fast.

The core: sinusoidal fields with weight-scaled initialisation, a trainer, checkpoints, configs.
"""

from importlib.metadata import PackageNotFoundError, version

from wsapps.errors import UserError
from wsapps.export import load_field, save_field
from wsapps.fields import ReluPositionalField, SinusoidalField
from wsapps.finite import Diverged
from wsapps.fit import fit
from wsapps.init import siren_, weight_scaling_
from wsapps.interrupt import Interrupted
from wsapps.objective import Objective
from wsapps.trainer import Trainer, TrainerConfig

try:
    __version__ = version("wsapps")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

__all__ = [
    "Diverged",
    "Interrupted",
    "Objective",
    "ReluPositionalField",
    "SinusoidalField",
    "Trainer",
    "TrainerConfig",
    "UserError",
    "__version__",
    "fit",
    "load_field",
    "save_field",
    "siren_",
    "weight_scaling_",
]
