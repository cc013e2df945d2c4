"""Errors that the user can mend."""


class UserError(ValueError):
    """The user's input is wrong.

    The message is one line that says what was wrong, where, the values seen, and what to do.
    Commands print it on stderr and exit with code 2 (see :mod:`wsapps.command`).
    """
