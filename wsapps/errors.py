"""Errors that the user can mend."""

from __future__ import annotations


class UserError(ValueError):
    """The user's input is wrong.

    The message is one line that says what was wrong, where, the values seen, and what to do.
    Commands print it on stderr and exit with code 2 (see :mod:`wsapps.command`).
    """


def one_line(error: Exception | str) -> str:
    """Another library's message, in one line of at most 200 characters, for a UserError's."""
    return " ".join(str(error).split())[:200] or type(error).__name__
