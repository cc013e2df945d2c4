"""A configuration is a dataclass: how its fields are documented, and how nested data becomes an instance."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field
from typing import Any, NoReturn, get_type_hints

from wsapps.config.conversion import convert, describe, is_null, is_optional, nearest, nested_dataclass
from wsapps.config.overrides import Mismatch, Text, shown
from wsapps.errors import UserError

REQUIRED = "???"  # OmegaConf's mark in a YAML file for "must be given"


def doc(text: str, *, default: Any = MISSING, default_factory: Any = MISSING, unit: str | None = None) -> Any:
    """A dataclass field with the words that ``--help`` prints: ``lr: float = doc("step size", default=0.1)``.

    ``unit`` is a physical or counting unit ("s", "pixels"). Without a default the key must be given.
    """
    metadata = {"doc": text, "unit": unit}
    if default_factory is not MISSING:
        return field(default_factory=default_factory, metadata=metadata)
    if default is not MISSING:
        return field(default=default, metadata=metadata)
    return field(metadata=metadata)


def file_folder(text: str) -> Any:
    """A field ``str | None`` of a group that says where the group's file is, so that it can name others.

    None where the group is one of the application's own files; where the user chose a file, its absolute
    folder, or what the file gives for the field, taken from that folder.
    """
    return field(default=None, metadata={"doc": text, "unit": None, "file_folder": True})


class FieldError(UserError):
    """What is wrong with one key below a dataclass, from its ``__post_init__``: the key's place is reported.

    Args:
        key: dotted, relative to the dataclass: "conditions[1].at".
        message: without the key.
    """

    def __init__(self, key: str, message: str):
        super().__init__(f"{key}: {message}")
        self.key, self.message = key, message


@dataclass(frozen=True)
class Choice:
    """Metadata of a field made by :func:`choice`."""

    classes: Mapping[str, type]
    default: str

    def config_class(self, name: str) -> type:
        owner = self.classes[name]
        return getattr(owner, "Config", owner)

    def default_config(self) -> Any:
        if self.default not in self.classes:
            raise TypeError(f"{self.default!r} names a YAML file, so this field has no default without one")
        return self.config_class(self.default)(name=self.default)


def choice(classes: Mapping[str, type], default: str, text: str = "") -> Any:
    """A dataclass field (annotate it ``Any``) that holds one of several configurations.

    ``classes`` maps a name to a class that owns a dataclass ``Config`` with a field ``name: str``. The YAML
    files of the group each say ``name: <key of classes>``; several may share one. ``default`` is the group's
    file (or, where there is no such file, the key) that is used when the main YAML file selects none.
    """
    chosen = Choice(classes, default)
    return field(
        default_factory=chosen.default_config, metadata={"choice": chosen, "doc": text, "unit": None}
    )


def join(path: str, name: object) -> str:
    """The dotted key of ``name`` under ``path``; ``path`` is empty at the root."""
    return f"{path}.{name}" if path else str(name)


def config_fields(cls: type) -> Iterator[tuple[dataclasses.Field[Any], Any, Choice | None]]:
    """``(field, resolved type, Choice or None)`` of every field that a configuration can set."""
    hints = get_type_hints(cls)
    for f in dataclasses.fields(cls):
        if f.init:
            yield f, hints[f.name], f.metadata.get("choice")


def default_of(f: dataclasses.Field[Any], base: Any = None) -> Any:
    """The default of a field, from the instance ``base`` where there is one; MISSING where there is none.

    A nested ``default_factory=SomeConfig`` counts as none: it is built from its own fields, so that a key
    that is required deep inside is reported by name.
    """
    if base is not None:
        return getattr(base, f.name)
    if f.default is not MISSING:
        return f.default
    if f.default_factory is MISSING or isinstance(f.default_factory, type) or "choice" in f.metadata:
        return [] if f.default_factory is list else {} if f.default_factory is dict else MISSING
    return f.default_factory()


def chosen_name(selected: Choice, raw: Any, default: Any = MISSING) -> Any:
    """The key of ``selected.classes`` that the data asks for, as found (perhaps None or a number)."""
    fallback = selected.default if default is MISSING else default.name
    name = raw.get("name", fallback) if isinstance(raw, dict) else fallback
    return name.text if isinstance(name, Text) else name


@dataclass(frozen=True)
class Key:
    """One settable key: its path, field, type, and value (raw data, a default, or MISSING)."""

    path: str
    field: dataclasses.Field[Any]
    kind: Any
    value: Any


def walk(cls: type, tree: Any, path: str = "", base: Any = None) -> Iterator[Key]:
    """Every leaf key of ``cls`` as ``tree`` fills it, as declared; a node that is null is a leaf, too."""
    tree = tree if isinstance(tree, dict) else {}
    for f, kind, selected in config_fields(cls):
        raw, default, here = tree.get(f.name, MISSING), default_of(f, base), join(path, f.name)
        nested = nested_dataclass(kind)
        if selected is not None:
            name = chosen_name(selected, raw, default)
            if isinstance(name, str) and name in selected.classes:
                filled = {**raw, "name": name} if isinstance(raw, dict) else {"name": name}
                yield from walk(selected.config_class(name), filled, here)
        elif nested is not None:
            if is_null(default if raw is MISSING else raw):
                yield Key(here, f, kind, None)
            yield from walk(nested, raw, here, default if isinstance(default, nested) else None)
        else:
            yield Key(here, f, kind, default if raw is MISSING else raw)


class Builder:
    """Turns nested data (dicts, scalars, :class:`~wsapps.config.overrides.Text`) into an instance of ``cls``.

    ``where(path)`` says where the value of a key came from, for the messages. A value equal to
    ``required_mark`` counts as not given. Every fault is a ``UserError``.
    """

    def __init__(self, cls: type, where: Callable[[str], str], required_mark: str | None = REQUIRED) -> None:
        self.cls = cls
        self.where = where
        self.required_mark = required_mark
        self.tree: Any = {}

    def build(self, tree: Any) -> Any:
        self.tree = tree
        return self._node(self.cls, tree, "")

    def fail(self, path: str, message: str) -> NoReturn:
        where = self.where(path)
        raise UserError(" ".join(f"{where}: {message}".splitlines()))

    def _node(self, cls: type, tree: Any, path: str, base: Any = None) -> Any:
        fields = list(config_fields(cls))
        names = [f.name for f, _, _ in fields]
        if not isinstance(tree, dict):
            inside = f"{join(path, names[0])}=..." if names else "its keys"
            self.fail(
                path, f"{path or 'the configuration'} is a group of keys, not a value; set {inside} instead"
            )
        for key in tree:
            if key not in names:
                self._unknown(path, key, names)
        values = {}
        for f, kind, selected in fields:
            raw, here = tree.get(f.name, MISSING), join(path, f.name)
            raw = MISSING if isinstance(raw, str) and raw == self.required_mark else raw
            default = self._guard(path, lambda f=f: default_of(f, base))
            values[f.name] = self._field(kind, selected, raw, default, here)
        return self._guard(path, lambda: cls(**values))

    def _guard(self, path: str, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except FieldError as error:
            self.fail(join(path, error.key), f"{join(path, error.key)}: {error.message}")
        except (ValueError, UserError) as error:
            self.fail(path, f"{path}: {error}" if path else str(error))

    def _field(self, kind: Any, selected: Choice | None, raw: Any, default: Any, path: str) -> Any:
        nested = nested_dataclass(kind)
        if selected is not None:
            return self._chosen(selected, raw, default, path)
        if nested is not None:
            if raw is MISSING and default is not MISSING:
                return default
            if raw is not MISSING and is_null(raw) and is_optional(kind):
                return None
            base = default if isinstance(default, nested) else None
            return self._node(nested, {} if raw is MISSING else raw, path, base)
        if raw is MISSING:
            if default is MISSING:
                self.fail(path, f"{path} must be given: {path}=VALUE ({describe(kind)})")
            return default
        try:
            return convert(kind, raw)
        except Mismatch as error:
            self._wrong(path, raw, str(error))

    def _wrong(self, path: str, raw: Any, message: str) -> NoReturn:
        below = [key for key in raw if isinstance(raw[key], Text)] if isinstance(raw, dict) else []
        if below and not message.startswith("expected name:"):
            self._unknown(path, below[0], [])
        self.fail(path, f"{path}: {message}")

    def _chosen(self, selected: Choice, raw: Any, default: Any, path: str) -> Any:
        names = list(selected.classes)
        if raw is MISSING:
            raw = {}
        if not isinstance(raw, dict):
            self.fail(path, f"{path} is a group of keys, not a value; choose with {path}.name={names[0]}")
        name = chosen_name(selected, raw, default)
        if not isinstance(name, str) or name not in selected.classes:
            near = nearest(str(name), names)
            hint = f"did you mean {near}? " if near else ""
            message = (
                f"{path}.name: no choice is named {shown(repr(name))}; {hint}choices: {', '.join(names)}"
            )
            self.fail(join(path, "name"), message)
        cls = selected.config_class(name)
        base = default if type(default) is cls else None
        return self._node(cls, {**raw, "name": name}, path, base)

    def _unknown(self, path: str, key: object, names: list[str]) -> NoReturn:
        full = join(path, key)
        everywhere = [known.path for known in walk(self.cls, self.tree)]
        last = full.rsplit(".", 1)[-1]
        moved = [known for known in everywhere if known.rsplit(".", 1)[-1] == last]
        sibling = nearest(str(key), names)
        near = join(path, sibling) if sibling else moved[0] if moved else nearest(full, everywhere)
        level = f"keys of {path}" if path else "keys"
        valid = f"{level}: {', '.join(names)}" if names else f"{path} is a value without keys below it"
        hint = f"; did you mean {near}?" if near else ";"
        self.fail(full, f"unknown key {shown(full)}{hint} {valid}")
