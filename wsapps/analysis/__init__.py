"""Why weight scaling works: what happens in a network at initialisation and while it learns.

Every function takes a network, ``(N, D)`` to ``(N, C)``, and points; nothing of it knows an application.
"""

from wsapps.analysis.bessel import bound_range
from wsapps.analysis.gradients import GradientNorms, expected_growth, gradient_norms
from wsapps.analysis.hessian import HessianFigures, hessian_figures
from wsapps.analysis.kernel_figures import KernelFigures, KernelWatch, alignment, kernel_figures
from wsapps.analysis.lanczos import RitzValues, lanczos
from wsapps.analysis.propagation import SineStatistics, sine_statistics, variances_through_depth
from wsapps.analysis.spectrum import Spectrum, field_spectrum, grid_spectrum, line_spectrum
from wsapps.analysis.tangent_kernel import tangent_kernel
from wsapps.analysis.tangent_kernel_reference import tangent_kernel_reference

__all__ = [
    "GradientNorms",
    "HessianFigures",
    "KernelFigures",
    "KernelWatch",
    "RitzValues",
    "SineStatistics",
    "Spectrum",
    "alignment",
    "bound_range",
    "expected_growth",
    "field_spectrum",
    "gradient_norms",
    "grid_spectrum",
    "hessian_figures",
    "kernel_figures",
    "lanczos",
    "line_spectrum",
    "sine_statistics",
    "tangent_kernel",
    "tangent_kernel_reference",
    "variances_through_depth",
]
