"""From text to a program, over a whitelist: Python's ``ast`` reads the grammar, nothing is ever executed.

Whatever is not arithmetic, a known function or a known name ends in one line that points at the place.
"""

from __future__ import annotations

import ast

from wsapps.config.conversion import nearest
from wsapps.config.overrides import shown
from wsapps.errors import UserError
from wsapps_pde.language.program import ProgramBuilder, Step, extracted
from wsapps_pde.language.source import Source, syntax_tree
from wsapps_pde.language.symbols import (
    FUNCTIONS,
    Names,
    derivative_name,
    derivative_of,
    explain_derivative,
    normal_name,
    suggestion,
)

_FOREIGN = {"ln": "log", "pow": "**", "power": "**", "fabs": "abs", "e": "exp(1)", "if": "where"}
_BINARY: dict[type, str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
_COMPARISONS: dict[type, str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "=="}
_REFUSED: dict[type, str] = {
    ast.Attribute: "a dot after a name is not part of the language; write sin(x), not np.sin(x)",
    ast.IfExp: "if ... else is not part of the language; write where(condition, a, b)",
    ast.Tuple: "a list with commas is not an expression; places are joined by and, or",
    ast.Starred: "* before an argument is not part of the language",
}


def parse(text: str, names: Names, where: str = "") -> tuple[Step, ...]:
    """The program of an expression or, with comparisons in it, of a condition.

    Args:
        text: as the user wrote it; a single ``=`` compares.
        names: what may stand in it.
        where: what the message begins with.

    Raises:
        UserError: the text is no such expression, in one line with the column.
    """
    source = Source.of(text, f"{where}: " if where else "")
    root = syntax_tree(source)
    build = ProgramBuilder()
    done: dict[int, int] = {}
    stack = [root]
    while stack:  # no recursion: a text may be nested as deeply as Python's parser allows
        node = stack[-1]
        operands = _operands(node, source)
        waiting = [operand for operand in operands if id(operand) not in done]
        if waiting:
            stack += reversed(waiting)
            continue
        stack.pop()
        try:
            done[id(node)] = _add(node, [done[id(operand)] for operand in operands], build, names)
        except UserError as error:
            source.fail(str(error), node)
    return extracted(tuple(build.steps), done[id(root)])


def _operands(node: ast.expr, source: Source) -> list[ast.expr]:
    """The parts that a node works on; refuses every kind of node that is not listed here."""
    if isinstance(node, ast.BinOp):
        if type(node.op) not in _BINARY:
            source.fail_offset("only the operators + - * / ** are known", node.left.end_col_offset or 0)
        return [node.left, node.right]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd | ast.Not):
        return [node.operand]
    if isinstance(node, ast.BoolOp):
        return node.values
    if isinstance(node, ast.Compare):
        if not all(type(op) in _COMPARISONS for op in node.ops):
            source.fail("only the comparisons < <= > >= = are known", node)
        return [node.left, *node.comparators]
    if isinstance(node, ast.Call):
        return _arguments(node, source)
    if isinstance(node, ast.Name | ast.Constant):
        return []
    source.fail(_REFUSED.get(type(node), "this is not part of the language"), node)


def _arguments(node: ast.Call, source: Source) -> list[ast.expr]:
    if not isinstance(node.func, ast.Name):
        if isinstance(node.func, ast.Attribute):
            source.fail(_REFUSED[ast.Attribute], node.func)
        source.fail("something is called that is no function; a product is written with *", node.func)
    name = node.func.id
    if name in (*FUNCTIONS, "where"):
        wanted = 3 if name == "where" else 1
        if len(node.args) != wanted or node.keywords:
            form = "where(condition, a, b)" if name == "where" else f"{name}(a)"
            source.fail(f"{form} takes {wanted} argument{'s' * (wanted > 1)}", node)
        return node.args
    if name == "normal_derivative":
        return []  # its argument is a name that is not evaluated
    return source.fail(_no_function(name), node)


def _no_function(name: str) -> str:
    near = nearest(name.lower(), list(FUNCTIONS))
    hint = f"; write {_FOREIGN[name]}" if name in _FOREIGN else f"; did you mean {near}?" if near else ""
    known = ", ".join((*FUNCTIONS, "where"))
    return f"{shown(name)!r} cannot be called{hint}; functions are {known}; a product is written with *"


def _add(node: ast.expr, args: list[int], build: ProgramBuilder, names: Names) -> int:
    if isinstance(node, ast.BinOp):
        return build.add(_BINARY[type(node.op)], *args)
    if isinstance(node, ast.UnaryOp):
        op = {ast.USub: "neg", ast.Not: "not"}.get(type(node.op))
        return args[0] if op is None else build.add(op, *args)
    if isinstance(node, ast.BoolOp):
        return _chained("and" if isinstance(node.op, ast.And) else "or", args, build)
    if isinstance(node, ast.Compare):
        pairs = zip(node.ops, args, args[1:], strict=False)
        return _chained("and", [build.add(_COMPARISONS[type(op)], *pair) for op, *pair in pairs], build)
    if isinstance(node, ast.Constant):
        return _number(node, build)
    if isinstance(node, ast.Name):
        return _name(node.id, build, names)
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    if node.func.id == "normal_derivative":
        return _normal_derivative(node, build, names)
    return build.add(node.func.id, *args)


def _chained(op: str, args: list[int], build: ProgramBuilder) -> int:
    result = args[0]
    for arg in args[1:]:
        result = build.add(op, result, arg)
    return result


def _number(node: ast.Constant, build: ProgramBuilder) -> int:
    if isinstance(node.value, bool) or not isinstance(node.value, int | float):
        raise UserError(f"{shown(repr(node.value))} is not a real number")
    try:
        value = float(node.value)
    except OverflowError:
        value = float("inf")
    if value == float("inf"):
        raise UserError("a number is too large")
    return build.number(value)


def _name(name: str, build: ProgramBuilder, names: Names) -> int:
    if name == "pi":
        return build.number(3.141592653589793)
    if name in names.places:
        return build.place(name)
    if name in names.plain:
        return build.name(name)
    fault = explain_derivative(name, names)
    found = derivative_of(name, names.unknowns, names.variables)
    if found and not fault:
        return build.name(derivative_name(*found, names.variables))
    raise UserError(fault or _unknown_symbol(name, names))


def _unknown_symbol(name: str, names: Names) -> str:
    if name in (*FUNCTIONS, "where", "normal_derivative"):
        return f"{name} is a function; write {name}(...)"
    near = suggestion(name, names)
    hint = f"write {_FOREIGN[name]}; " if name in _FOREIGN else f"did you mean {near}? " if near else ""
    known = ", ".join([*names.plain, *names.places]) or "none but pi"
    return f"unknown symbol {shown(name)!r}; {hint}known here: {known}"


def _normal_derivative(node: ast.Call, build: ProgramBuilder, names: Names) -> int:
    """The sum of ``normal_x * u_x`` over the space variables."""
    if not names.normals:
        raise UserError("normal_derivative(u) has a meaning in conditions on a boundary alone")
    argument = node.args[0] if len(node.args) == 1 and not node.keywords else None
    found = (
        derivative_of(argument.id, names.unknowns, names.variables)
        if isinstance(argument, ast.Name)
        else None
    )
    if found is None:
        raise UserError(
            f"normal_derivative takes one unknown, as in normal_derivative({next(iter(names.unknowns), 'u')})"
        )
    unknown, index = found
    terms = []
    for variable in names.normals:
        if variable in names.unknowns[unknown]:
            order = tuple(n + (v == variable) for n, v in zip(index, names.variables, strict=True))
            derivative = derivative_name(unknown, order, names.variables)
            terms.append(build.add("*", build.name(normal_name(variable)), _name(derivative, build, names)))
    if not terms:
        raise UserError(f"normal_derivative({unknown}) is zero: {unknown} does not depend on space")
    return _chained("+", terms, build)
