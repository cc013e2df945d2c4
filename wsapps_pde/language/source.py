"""The text of an expression: what Python's parser is given, and where in the user's text a fault is."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from typing import NoReturn

from wsapps.config.overrides import shown
from wsapps.errors import UserError

MAX_LENGTH = 2000  # characters; bounds the number of steps and their depth, too

_ALLOWED = re.compile(r"[A-Za-z0-9_+\-*/().,<>=! \t]")
_HINTS = {
    "^": "a power is written **",
    "[": "a derivative is written u_x, with an underscore",
    "'": "an expression holds no text",
    '"': "an expression holds no text",
    "|": "write abs(x), or the word or",
    "&": "write the word and",
    "\N{MINUS SIGN}": "write the ordinary minus -",
    "\N{EN DASH}": "write the ordinary minus -",
    "\N{MIDDLE DOT}": "a product is written *",
    "\N{MULTIPLICATION SIGN}": "a product is written *",
    "\N{GREEK SMALL LETTER PI}": "write pi",
    "\N{SUPERSCRIPT TWO}": "a power is written **2",
    "\N{SUPERSCRIPT THREE}": "a power is written **3",
    "\N{PARTIAL DIFFERENTIAL}": "a derivative is written u_x",
}


@dataclass(frozen=True)
class Source:
    """A text with a single ``=`` made ``==``, so that Python reads it; ``columns`` leads back."""

    text: str
    python: str
    columns: tuple[int, ...]
    where: str

    @classmethod
    def of(cls, text: str, where: str) -> Source:
        if len(text) > MAX_LENGTH:
            raise UserError(
                f"{where}an expression of {len(text)} characters is too long: at most {MAX_LENGTH}, "
                f"it begins with {shown(repr(text[:40]))}"
            )
        text = re.sub(r"[\t\r\n\f\v]", " ", text)
        marks: list[tuple[str, int]] = []
        for column, mark in enumerate(text):
            before, after = text[column - 1 : column], text[column + 1 : column + 2]
            single = mark == "=" and after != "=" and before not in ("<", ">", "=", "!")
            marks += [(mark, column)] * (2 if single else 1)
        start = next((n for n, (mark, _) in enumerate(marks) if mark != " "), len(marks))
        marks = marks[start:]  # leading space is indentation to Python
        source = cls(text, "".join(mark for mark, _ in marks), tuple(column for _, column in marks), where)
        source.check_characters()
        return source

    def check_characters(self) -> None:
        if not self.python:
            self.fail_whole("is empty; an expression is needed")
        for column, mark in enumerate(self.text):
            if not _ALLOWED.fullmatch(mark):
                hint = _HINTS.get(mark)
                self._fail_at(f"{mark!r} is not part of the language" + (f": {hint}" if hint else ""), column)

    def fail(self, message: str, node: ast.AST) -> NoReturn:
        offset = getattr(node, "col_offset", 0)
        self._fail_at(message, self.columns[min(offset, len(self.columns) - 1)])

    def fail_offset(self, message: str, offset: int) -> NoReturn:
        """``offset`` is in ``python``, from 0; past the end counts as the end."""
        self._fail_at(message, self.columns[max(0, min(offset, len(self.columns) - 1))])

    def fail_whole(self, message: str) -> NoReturn:
        raise UserError(f"{self.where}{shown(repr(self.text))} {message}")

    def _fail_at(self, message: str, column: int) -> NoReturn:
        first, last = max(0, column - 40), column + 40
        cut = ("..." if first else "") + self.text[first:last] + ("..." if last < len(self.text) else "")
        raise UserError(f"{self.where}{message} (column {column + 1} of {shown(repr(cut))})")


def syntax_tree(source: Source) -> ast.expr:
    """Python's parse of the text, nothing of it checked or run.

    Raises:
        UserError: it is no expression, with the column.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "0x1for" and its like
            return ast.parse(source.python, mode="eval").body
    except SyntaxError as error:
        product = re.search(r"(?<![A-Za-z0-9_.])[0-9.]+(?=[A-Za-z_(])(?![eE][-+]?[0-9])", source.python)
        if product:
            source.fail_offset("a product is written with *, as in 2*x", product.end())
        words = str(error.msg).split(". ")[0].removesuffix(" (<unknown>, line 1)")
        if source.python.count("(") > source.python.count(")"):
            words += "; in YAML an expression with commas is put in quotes"
        source.fail_offset(f"the expression cannot be read ({words})", (error.offset or 1) - 1)
    except (RecursionError, MemoryError, ValueError, OverflowError):
        source.fail_whole("cannot be read: it is nested too deeply or holds too long a number")
