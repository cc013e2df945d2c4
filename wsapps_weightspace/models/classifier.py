"""What all classifiers of fields have in common."""

from __future__ import annotations

from torch import Tensor, nn

from wsapps_weightspace.weights import FieldWeights

_ENOUGH = 4096  # fields for statistics


class FieldClassifier(nn.Module):
    """Fields in, logits out: ``output(features(fields))``.

    A class is made as ``Class(architecture, classes, config)`` with its ``Config``, whose ``name`` is its key
    in ``CLASSIFIERS``. Before training, :meth:`prepare` is called once with the training fields. Regression
    of K numbers is a model of K "classes"; the features serve for comparing fields.

    Args:
        width: size of a feature vector.
        classes: logits a field.
    """

    Config: type

    #: True where the model evaluates the fields at coordinates: such results are reported apart.
    function_space = False

    def __init__(self, width: int, classes: int):
        super().__init__()
        if width < 1 or classes < 1:
            raise ValueError(f"at least one feature and one class are needed, got {width} and {classes}")
        self.width, self.classes = width, classes
        self.output = nn.Linear(width, classes)

    def prepare(self, fields: FieldWeights) -> None:
        """Set what depends on the data: statistics, a field to align to. Writes buffers only.

        Deterministic, so that every rank that is given the same fields gets the same buffers.
        """

    def features(self, fields: FieldWeights) -> Tensor:
        """``(B, width)``, what the last affine layer sees."""
        raise NotImplementedError(f"{type(self).__name__} must implement features(fields)")

    def forward(self, fields: FieldWeights) -> Tensor:
        """Logits ``(B, classes)``."""
        return self.output(self.features(fields))


def some_of(fields: FieldWeights, most: int = _ENOUGH) -> FieldWeights:
    """At most so many of the fields, evenly spread: enough for statistics that are dear to compute."""
    return fields[:: max(1, -(-len(fields) // most))]
