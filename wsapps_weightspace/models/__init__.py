"""Classifiers of fields by their weights. :data:`CLASSIFIERS` is what ``classifier=`` chooses from.

Each is a :class:`FieldClassifier` with a ``Config`` dataclass:

    model = CLASSIFIERS[config.name](architecture, classes, config)
    model.prepare(training_fields)     # once, before training: statistics, as buffers
    logits = model(fields)             # (B, classes); model.features(fields) is (B, model.width)
"""

from wsapps_weightspace.models.canonical_mlp import CanonicalMlp, CanonicalMlpConfig
from wsapps_weightspace.models.classifier import FieldClassifier
from wsapps_weightspace.models.dws_model import DwsConfig, DwsModel
from wsapps_weightspace.models.flat_mlp import FlatMlp, FlatMlpConfig
from wsapps_weightspace.models.neural_graph_model import NeuralGraphConfig, NeuralGraphModel
from wsapps_weightspace.models.nfn_model import NfnConfig, NfnModel
from wsapps_weightspace.models.probes import Probes, ProbesConfig
from wsapps_weightspace.models.rendered_cnn import RenderedCnn, RenderedCnnConfig
from wsapps_weightspace.models.scale_gmn_model import ScaleGmnConfig, ScaleGmnModel

CLASSIFIERS = {
    "flat_mlp": FlatMlp,
    "canonical_mlp": CanonicalMlp,
    "nfn": NfnModel,
    "dws": DwsModel,
    "neural_graph": NeuralGraphModel,
    "scale_gmn": ScaleGmnModel,
    "probes": Probes,
    "rendered_cnn": RenderedCnn,
}

__all__ = [
    "CLASSIFIERS",
    "CanonicalMlp",
    "CanonicalMlpConfig",
    "DwsConfig",
    "DwsModel",
    "FieldClassifier",
    "FlatMlp",
    "FlatMlpConfig",
    "NeuralGraphConfig",
    "NeuralGraphModel",
    "NfnConfig",
    "NfnModel",
    "Probes",
    "ProbesConfig",
    "RenderedCnn",
    "RenderedCnnConfig",
    "ScaleGmnConfig",
    "ScaleGmnModel",
]
