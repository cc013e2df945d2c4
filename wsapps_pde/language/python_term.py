"""A residual written in Python, for what the problem language cannot say."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from wsapps_pde.language.functions import Functions
from wsapps_pde.language.symbols import MultiIndex, derivative_of


class Term(Protocol):
    """What a residual offers: :class:`~wsapps_pde.language.expressions.Expression` or :class:`PythonTerm`."""

    @property
    def text(self) -> str: ...

    @property
    def names(self) -> frozenset[str]: ...

    def derivatives(
        self, unknowns: Collection[str], variables: tuple[str, ...]
    ) -> frozenset[tuple[str, MultiIndex]]: ...

    def evaluate(self, values: Mapping[str, Any], functions: Functions) -> Any: ...


@dataclass(frozen=True)
class PythonTerm:
    """A function of named values in place of an expression.

        PythonTerm("minimal surface", frozenset({"u_x", "u_y", "u_xx", ...}), lambda v, f: ...)

    Args:
        text: what ``describe`` shows.
        names: the values that the function looks at: variables, parameters, unknowns, derivatives as
            ``u_xxt`` with their letters in the order of the variables.
        function: ``(values, functions) -> value``, as :meth:`Expression.evaluate`; ``functions["sin"]`` and
            the others fit the values, which may be tensors or derivative jets.
    """

    text: str
    names: frozenset[str]
    function: Callable[[Mapping[str, Any], Functions], Any]

    def derivatives(
        self, unknowns: Collection[str], variables: tuple[str, ...]
    ) -> frozenset[tuple[str, MultiIndex]]:
        """The (unknown, multi-index) pairs among :attr:`names`."""
        found = (derivative_of(name, unknowns, variables) for name in self.names)
        return frozenset(pair for pair in found if pair is not None)

    def evaluate(self, values: Mapping[str, Any], functions: Functions) -> Any:
        """The function's value.

        Raises:
            KeyError: a name has no value.
        """
        return self.function({name: values[name] for name in self.names}, functions)
