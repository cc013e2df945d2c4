"""Deep weight space networks."""

from __future__ import annotations

from dataclasses import dataclass

from wsapps_weightspace.layers.dws import DwsLayer
from wsapps_weightspace.models.set_network import SetNetwork, SetNetworkConfig
from wsapps_weightspace.weights import Architecture


@dataclass
class DwsConfig(SetNetworkConfig):
    """Settings of a :class:`DwsModel`."""

    name: str = "dws"


class DwsModel(SetNetwork):
    """DWS layers of Navon et al. (ICML 2023), residual, with LayerNorm and SiLU before each."""

    Config = DwsConfig

    def __init__(self, architecture: Architecture, classes: int, config: DwsConfig):
        super().__init__(architecture, classes, config, DwsLayer, io=False)
