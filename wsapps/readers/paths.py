"""What the readers of files share: refusing what is no file, and paths in messages."""

from __future__ import annotations

from pathlib import Path

from wsapps.config.overrides import shown
from wsapps.errors import UserError, one_line


def check_file(path: Path, what: str) -> None:
    """Refuse a path that no file with content lies at; ``what`` is "picture", "audio file" or the like.

    Raises:
        UserError: nothing is there, a folder or a device is, or the file is empty.
    """
    name = named(path)
    try:
        if path.is_dir():
            raise UserError(f"{name} is a folder; give one {what}")
        if not path.exists():
            raise UserError(f"{name} does not exist; give the path of a {what}")
        if not path.is_file():
            raise UserError(f"{name} is not a regular file; give the path of a {what}")
        if path.stat().st_size == 0:
            raise UserError(f"{name} is empty (0 bytes); give a {what} with something in it")
    except (OSError, ValueError) as error:  # a name too long, with a zero byte, or in a closed folder
        if isinstance(error, UserError):
            raise
        raise UserError(f"{name} cannot be looked at: {one_line(error)}") from None


def named(path: Path) -> str:
    """The path as messages show it: one line, not too long."""
    return shown(str(path), 300)
