"""Neural fields: coordinates in, values out.

Every field has ``features(coordinates) -> (..., width)``, an ``output`` layer on top of them, ``width``,
a ``Config`` dataclass and ``from_config(in_features, out_features, config)``. :data:`FIELDS` is what
``method=`` chooses from.
"""

from wsapps.fields.relu_pe import ReluPositionalConfig, ReluPositionalField
from wsapps.fields.sinusoidal import SineLayer, SinusoidalConfig, SinusoidalField

FIELDS = {"sinusoidal": SinusoidalField, "relu_pe": ReluPositionalField}

__all__ = [
    "FIELDS",
    "ReluPositionalConfig",
    "ReluPositionalField",
    "SineLayer",
    "SinusoidalConfig",
    "SinusoidalField",
]
