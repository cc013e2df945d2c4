"""What tests of commands share."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture
def fresh_logging():
    """Each test's stderr is another one, and a command's handlers hold the last one's."""
    logger = logging.getLogger("wsapps")
    logger.handlers.clear()
    yield
    logger.handlers.clear()
    logger.propagate = True
