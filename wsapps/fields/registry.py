"""The fields that ``method=`` chooses from, by the ``name`` in their configuration."""

from wsapps.fields.ffn import FourierFeatureField
from wsapps.fields.gauss import GaussField
from wsapps.fields.mfn import MultiplicativeFilterField
from wsapps.fields.nfsl import NfslField
from wsapps.fields.relu_pe import ReluPositionalField
from wsapps.fields.sinc import SincField
from wsapps.fields.sinusoidal import SinusoidalField
from wsapps.fields.tanh import TanhField
from wsapps.fields.wire import WireField
from wsapps.fields.xavier import XavierField

FIELDS = {
    "sinusoidal": SinusoidalField,
    "xavier": XavierField,
    "relu_pe": ReluPositionalField,
    "ffn": FourierFeatureField,
    "gauss": GaussField,
    "mfn": MultiplicativeFilterField,
    "wire": WireField,
    "nfsl": NfslField,
    "sinc": SincField,
    "tanh": TanhField,
}
