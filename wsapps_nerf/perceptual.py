"""LPIPS (Zhang et al., CVPR 2018), where its package and its network's weights are on this machine.

Needed: ``pip install lpips torchvision``, and AlexNet's weights where torchvision keeps them. Nothing is
downloaded here; ``torchvision.models.alexnet(weights="DEFAULT")`` does so, once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

#: Two pictures (H, W, 3) in [0, 1], on any device, to their distance; None where they are too small.
Distance = Callable[[Tensor, Tensor], float | None]
NAME = "lpips_alex"  # of the metric: figures of other networks are not comparable
_LEAST_SIDE = 64  # pixels, for AlexNet's strides


def find_lpips(device: torch.device) -> Distance | None:
    """LPIPS on a device; None where something that it needs is missing."""
    try:
        lpips, torchvision = (import_module(name) for name in ("lpips", "torchvision"))
    except (ImportError, RuntimeError):  # RuntimeError: a torchvision of another torch
        return None
    url: str = torchvision.models.AlexNet_Weights.IMAGENET1K_V1.url
    if not (Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name).is_file():
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network: Any = lpips.LPIPS(net="alex", verbose=False).eval().to(device)

    @torch.no_grad()
    def distance(first: Tensor, second: Tensor) -> float | None:
        if min(first.shape[:2]) < _LEAST_SIDE:
            return None
        pair = torch.stack([first, second]).to(device).permute(0, 3, 1, 2).float()
        return float(network(pair[:1], pair[1:], normalize=True))

    return distance
