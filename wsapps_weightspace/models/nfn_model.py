"""Neural functional networks: NP and HNP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wsapps.config import doc
from wsapps_weightspace.layers.nfn import HnpLayer, NpLayer
from wsapps_weightspace.models.set_network import SetNetwork, SetNetworkConfig
from wsapps_weightspace.weights import Architecture


@dataclass
class NfnConfig(SetNetworkConfig):
    """Settings of an :class:`NfnModel`."""

    name: str = "nfn"
    symmetry: Literal["np", "hnp"] = doc(
        "which neurons the layers permute: np all, with learned vectors for inputs and outputs; hnp the "
        "hidden ones",
        default="np",
    )


class NfnModel(SetNetwork):
    """NFN layers of Zhou et al. (NeurIPS 2023), residual, with LayerNorm and SiLU before each."""

    Config = NfnConfig

    def __init__(self, architecture: Architecture, classes: int, config: NfnConfig):
        layer = NpLayer if config.symmetry == "np" else HnpLayer
        super().__init__(architecture, classes, config, layer, io=config.symmetry == "np")
