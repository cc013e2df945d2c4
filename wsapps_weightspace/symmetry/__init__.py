"""Symmetries of sine networks: elements and their action, normal forms, alignment, augmentation, phasors."""

from wsapps_weightspace.symmetry.alignment import align, misfit
from wsapps_weightspace.symmetry.augmentation import AugmentationConfig, add_noise, augment
from wsapps_weightspace.symmetry.canonical import canonicalise
from wsapps_weightspace.symmetry.coordinate_maps import change_coordinates, random_map
from wsapps_weightspace.symmetry.group import (
    GroupElement,
    LayerElement,
    act,
    act_on_layer,
    compose,
    identity,
    inverse,
    random_element,
)
from wsapps_weightspace.symmetry.phasor import phasors

__all__ = [
    "AugmentationConfig",
    "GroupElement",
    "LayerElement",
    "act",
    "act_on_layer",
    "add_noise",
    "align",
    "augment",
    "canonicalise",
    "change_coordinates",
    "compose",
    "identity",
    "inverse",
    "misfit",
    "phasors",
    "random_element",
    "random_map",
]
