"""Neural fields: coordinates in, values out.

Every field has ``features(coordinates) -> (..., width)``, an ``output`` layer on top of them, ``width``,
a ``Config`` dataclass and ``from_config(in_features, out_features, config)``; :class:`Field` is the part
that applications need. :data:`FIELDS` is what ``method=`` chooses from.
"""

from wsapps.fields.build import make_field
from wsapps.fields.ffn import FourierFeatureConfig, FourierFeatureField
from wsapps.fields.gauss import GaussConfig, GaussField
from wsapps.fields.matching import matched_width, parameter_count
from wsapps.fields.mfn import MultiplicativeFilterConfig, MultiplicativeFilterField
from wsapps.fields.network import Field
from wsapps.fields.nfsl import NfslConfig, NfslField
from wsapps.fields.registry import FIELDS
from wsapps.fields.relu_pe import ReluPositionalConfig, ReluPositionalField
from wsapps.fields.sinc import SincConfig, SincField
from wsapps.fields.sinusoidal import SineLayer, SinusoidalConfig, SinusoidalField
from wsapps.fields.tanh import TanhConfig, TanhField
from wsapps.fields.wire import WireConfig, WireField
from wsapps.fields.xavier import XavierConfig, XavierField

__all__ = [
    "FIELDS",
    "Field",
    "FourierFeatureConfig",
    "FourierFeatureField",
    "GaussConfig",
    "GaussField",
    "MultiplicativeFilterConfig",
    "MultiplicativeFilterField",
    "NfslConfig",
    "NfslField",
    "ReluPositionalConfig",
    "ReluPositionalField",
    "SincConfig",
    "SincField",
    "SineLayer",
    "SinusoidalConfig",
    "SinusoidalField",
    "TanhConfig",
    "TanhField",
    "WireConfig",
    "WireField",
    "XavierConfig",
    "XavierField",
    "make_field",
    "matched_width",
    "parameter_count",
]
