"""Asserting that bad input is refused in one clear line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wsapps.errors import UserError


def one_line_error(action: Callable[[], object], *words: object) -> str:
    """Run what must raise a UserError of one line with these words in it, and return the line."""
    with pytest.raises(UserError) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert str(word) in message
    return message
