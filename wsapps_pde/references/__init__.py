"""Reference solutions: solvers with an error of their own, files, and a cache.

``solve_reference("burgers_cole_hopf", {"nu": 0.01})`` and ``read_reference("mine.npz", ("x", "t"), ("u",))``
give a :class:`ReferenceSolution`.
"""

from wsapps_pde.references.cache import default_cache_dir, solve_reference
from wsapps_pde.references.reference_file import read_reference
from wsapps_pde.references.solution import ReferenceSolution, relative_l2
from wsapps_pde.references.solvers import SOLVERS

__all__ = [
    "SOLVERS",
    "ReferenceSolution",
    "default_cache_dir",
    "read_reference",
    "relative_l2",
    "solve_reference",
]
