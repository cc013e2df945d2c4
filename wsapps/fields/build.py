"""From a configuration to a field."""

from __future__ import annotations

from typing import Any

from wsapps.errors import UserError
from wsapps.fields.registry import FIELDS


def make_field(in_features: int, out_features: int, config: Any) -> Any:
    """The field that a configuration names, drawn from the global generator.

    Args:
        config: the ``Config`` of a class of :data:`wsapps.fields.FIELDS`; its ``name`` says of which.

    Raises:
        UserError: a setting out of range, in the words of the field.
    """
    try:
        return FIELDS[config.name].from_config(in_features, out_features, config)
    except ValueError as error:
        raise UserError(f"method ({config.name}): {error}") from error
