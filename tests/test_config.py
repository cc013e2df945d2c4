"""Configurations: the command-line grammar, the types, the files, and one clear line for every fault."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wsapps.config import (
    choice,
    default_config_dir,
    differences,
    doc,
    from_yaml,
    help_text,
    load_config,
    to_yaml,
    wants_help,
)
from wsapps.config.left_open import left_open
from wsapps.config.yaml_files import dump_yaml, parse_yaml
from wsapps.errors import UserError


class Sinusoidal:
    @dataclass
    class Config:
        name: str = "sinusoidal"
        alpha: float = doc("weight scale", default=2.5)
        omega: tuple[float, ...] = (30.0, 30.0)

        def __post_init__(self) -> None:
            if not self.alpha > 0:
                raise ValueError(f"alpha must be positive, got {self.alpha}")


class Relu:
    @dataclass
    class Config:
        name: str = "relu"
        frequencies: int = 10


FIELDS = {"sinusoidal": Sinusoidal, "relu": Relu}


@dataclass
class Crop:
    right: int = doc("last column", unit="pixels")
    left: int = 0


@dataclass
class SceneConfig:
    root: Path = doc("folder of the scene")
    title: str = "none"
    downscale: int = 1
    crop: Crop | None = None


@dataclass
class TrainerConfig:
    max_steps: int = doc("optimiser steps", default=20000)
    max_seconds: float | None = doc("time limit", default=None, unit="s")
    lr: float = 1e-3
    compile: bool = False
    mixed_precision: Literal["no", "bf16", "fp16"] = "no"
    milestones: list[float] = doc("fractions of the run", default_factory=lambda: [0.5, 0.75])
    size: tuple[int, int] = (4, 8)
    weights: dict[str, float] = field(default_factory=dict)
    samples: int | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        if self.max_steps < 0:
            raise UserError(f"max_steps must not be negative, got {self.max_steps}")


@dataclass
class Config:
    out: str | None = doc("run folder", default=None)
    scene: SceneConfig = field(default_factory=SceneConfig)
    method: Any = choice(FIELDS, default="weight_scaling")
    trainer: TrainerConfig = field(default_factory=lambda: TrainerConfig(lr=0.25))


FILES = {
    "train.yaml": """\
        defaults:
          - scene: demo
          - method: weight_scaling
          - _self_

        trainer:
          max_steps: 100
          lr: 1e-4
        """,
    "scene/demo.yaml": "root: demo\ntitle: the demo\n",
    "scene/lego.yaml": "root: data/lego\ntitle: lego bricks\ndownscale: 8\n",
    "method/weight_scaling.yaml": "name: sinusoidal\nalpha: 2.5\n",
    "method/siren.yaml": "name: sinusoidal\nalpha: 1\n",
    "method/relu.yaml": "name: relu\nfrequencies: 6\n",
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = text.splitlines(keepends=True)
        margin = len(text) - len(text.lstrip())
        path.write_text("".join(line[margin:] if line.strip() else line for line in lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("configs of app"), FILES)


def load(folder: Path, *overrides: str) -> Config:
    return load_config(Config, "train", config_dir=folder, overrides=overrides)


def fault(folder: Path, *overrides: str) -> str:
    """The message of the UserError; it must be one line and leak no class name of Hydra or OmegaConf."""
    with pytest.raises(UserError) as caught:
        load(folder, *overrides)
    message = str(caught.value)
    assert "\n" not in message
    assert "Traceback" not in message
    assert "Exception" not in message
    return message


# --- what is accepted ---------------------------------------------------------------------------------


def test_defaults_come_from_the_files_then_from_the_dataclasses(folder: Path) -> None:
    config = load(folder)
    assert config == Config(
        out=None,
        scene=SceneConfig(root=Path("demo"), title="the demo"),
        method=Sinusoidal.Config(name="sinusoidal", alpha=2.5),
        trainer=TrainerConfig(max_steps=100, lr=1e-4),
    )
    assert type(config.method.omega) is tuple


def test_groups_and_values(folder: Path) -> None:
    config = load(folder, "scene=lego", "trainer.max_steps=7", "method.alpha=1.5", "method=siren")
    assert config.scene == SceneConfig(root=Path("data/lego"), title="lego bricks", downscale=8)
    assert config.trainer.max_steps == 7
    assert config.method == Sinusoidal.Config(
        name="sinusoidal", alpha=1.5
    )  # groups first, whatever the order
    assert load(folder, "method=relu").method == Relu.Config(name="relu", frequencies=6)


@pytest.mark.parametrize(
    "cases",
    [
        {"lr=1": 1.0, "max_steps=0": 0, "compile=true": True, "max_seconds=null": None, "samples=64": 64},
        {
            "lr=1e5": 1e5,
            "compile=False": False,
            "max_seconds=": None,
            "milestones=[]": [],
            "samples=auto": "auto",
        },
        {"lr=-2.5E-3": -2.5e-3, "max_seconds=3": 3.0, "size=[3,5]": (3, 5), "mixed_precision=bf16": "bf16"},
        {
            "lr=inf": math.inf,
            "milestones=[0.1, 1,1e-3]": [0.1, 1.0, 1e-3],
            "weights={a:1,b:2}": {"a": 1.0, "b": 2.0},
        },
        {"lr= 3 ": 3.0, "weights.c=2": {"c": 2.0}, "mixed_precision=no": "no"},
    ],
)
def test_values_have_the_type_of_their_field(folder: Path, cases: dict[str, object]) -> None:
    trainer = load(folder, *(f"trainer.{given}" for given in cases)).trainer
    for given_value, expected in cases.items():
        value = getattr(trainer, given_value.split("=")[0].split(".")[0])
        assert (value, type(value)) == (expected, type(expected)), given_value


def test_the_last_of_a_repeated_key_counts(folder: Path) -> None:
    config = load(folder, "trainer.max_steps=x", "scene=nothing", "trainer.max_steps=7", "scene=lego")
    assert (config.trainer.max_steps, config.scene.downscale) == (7, 8)


def test_an_optional_node_is_null_until_a_key_of_it_is_set(folder: Path) -> None:
    assert load(folder).scene.crop is None
    assert load(folder, "scene.crop.right=5").scene.crop == Crop(right=5, left=0)
    assert load(folder, "scene.crop=null").scene.crop is None
    assert "scene.crop.right must be given" in fault(folder, "scene.crop.left=5")


def test_keys_of_a_partly_given_node_keep_the_factory_s_values(tmp_path: Path) -> None:
    write(tmp_path, {**FILES, "train.yaml": "defaults: [scene: demo, method: relu]\n"})
    trainer = load(tmp_path, "trainer.max_steps=7").trainer
    assert (trainer.max_steps, trainer.lr) == (7, 0.25)


# --- text and paths are verbatim ----------------------------------------------------------------------

AWKWARD = [
    "a b",
    "a=b=c",
    "~/x",
    "(x",
    "é",
    "#5",
    "{a: [1,",
    "1,2,3",
    "1e5",
    "007",
    "true",
    "'quoted\"",
    "back\\slash",
    " padded ",
    "${oc.env:HOME}",
    "${trainer.lr}",
    "two\nlines",
    "???",
    "no",
    "2001-01-01",
]


@pytest.mark.parametrize("start", range(0, len(AWKWARD), 3))
def test_text_and_paths_are_taken_verbatim(folder: Path, start: int) -> None:
    out, title, root = (AWKWARD * 2)[start : start + 3]
    config = load(folder, f"out={out}", f"scene.title={title}", f"scene.root={root}")
    assert (config.out, config.scene.title, config.scene.root) == (out, title, Path(root))
    assert from_yaml(Config, to_yaml(config)) == config


def test_null_and_nothing_are_none_only_where_none_is_allowed(folder: Path) -> None:
    assert load(folder, "out=x", "out=null").out is None
    assert load(folder, "out=").out is None
    config = load(folder, "scene.title=null")
    assert config.scene.title == "null"
    assert load(folder, "scene.title=").scene.title == ""
    assert "expected path, got ''" in fault(folder, "scene.root=")


unicode_text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)
few = settings(max_examples=8, deadline=None)  # Hydra takes 50 ms to compose: many values in an example


@few
@given(texts=st.tuples(unicode_text, unicode_text, unicode_text))
@example(("=", "\ufeff", "1_000"))
@example(("1:30", "\u2028", "[]"))
def test_any_text_survives_the_command_line_and_the_run_folder(folder: Path, texts: tuple[str, ...]) -> None:
    root, title, out = texts[0] or "x", texts[1], texts[2]
    config = load(folder, f"scene.root={root}", f"scene.title={title}", f"out={out}")
    assert config.scene.root == Path(root)
    assert config.scene.title == title
    assert config.out == (out if out not in ("", "null") else None)
    assert from_yaml(Config, to_yaml(config)) == config


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_a_stored_configuration(text: str) -> None:
    config = Config(out=text, scene=SceneConfig(root=Path("x"), title=text), method=Relu.Config())
    assert from_yaml(Config, to_yaml(config)) == config


@few
@given(numbers=st.lists(st.floats(), max_size=8), number=st.floats())
@example([math.inf, -math.inf, math.nan, 1e-300, 5e-324, -0.0, 1e16, 1e22], -1e-7)
def test_floats_round_trip(folder: Path, numbers: list[float], number: float) -> None:
    def exact(values: list[float]) -> list[str]:
        return [repr(value) for value in values]

    config = load(folder, f"trainer.lr={number!r}", f"trainer.milestones={numbers!r}")
    stored = from_yaml(Config, to_yaml(config))
    for trainer in (config.trainer, stored.trainer):
        assert exact([trainer.lr, *trainer.milestones]) == exact([number, *numbers])


garbage_keys = st.one_of(
    st.sampled_from(["", "out", "scene", "scene.crop", "method", "method.name", "method.alpha", "@", "a/b"]),
    st.sampled_from(["trainer", "trainer.lr", "trainer.lr.x", "trainer.size", "trainer.weights.a", "hydra"]),
)
garbage = st.one_of(
    st.text(max_size=20),
    st.builds("{}={}".format, garbage_keys, st.text("[]{}()'\"\\,:=$~+-.@#eE019an \t\n", max_size=14)),
    st.builds("{}={}".format, garbage_keys, st.text(max_size=14)),
)


@settings(few, max_examples=30)
@given(overrides=st.lists(garbage, min_size=1, max_size=3))
@example(["trainer.milestones=" + "[" * 2000])
@example(["trainer.max_steps=" + "9" * 5000])
@example(["trainer.lr=" + "9" * 400])
@example(["scene=" + "x" * 5000 + ".yaml"])
@example(["scene=a\0b.yaml"])
@example(["out=\udcff"])
def test_garbage_gives_a_configuration_or_one_clear_line(folder: Path, overrides: list[str]) -> None:
    message = ""
    try:
        assert isinstance(load(folder, *overrides), Config)
    except UserError as error:
        message = str(error)
        assert message
    assert len(message.splitlines()) <= 1


# --- faults on the command line -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ("+trainer.foo=1", ["key=value", "+key"]),
        ("++trainer.lr=1", ["key=value"]),
        ("~scene", ["key=value", "~key"]),
        ("~scene=demo", ["key=value"]),
        ("trainer.lr", ["no '='", "key=value"]),
        ("", ["no '='"]),
        ("=5", ["empty", "key=value"]),
        ("trainer..lr=5", ["empty part"]),
        ("--foo", ["foo=value", "--help"]),
        ("--trainer.lr=5", ["trainer.lr=5"]),
        ("-x", ["x=value"]),
        ("--help", ["help"]),
    ],
)
def test_arguments_of_another_form_are_refused(folder: Path, given: str, parts: list[str]) -> None:
    message = fault(folder, given)
    assert message.startswith(f"command line: {given}: ")
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("given", "near", "valid"),
    [
        ("trainer.max_step=7", "trainer.max_steps", "keys of trainer: max_steps, max_seconds, lr, compile"),
        ("max_steps=7", "trainer.max_steps", "keys: out, scene, method, trainer"),
        ("trainr.lr=7", "trainer", "keys: out, scene, method, trainer"),
        ("method.alfa=1", "method.alpha", "keys of method: name, alpha, omega"),
        ("trainer.lr.x=1", None, "trainer.lr is a value"),
        ("scene/lego=1", None, "keys: out, scene"),
        ("hydra.run.dir=x", None, "keys: out"),
        ("_target_=os.system", None, "keys: out"),
    ],
)
def test_unknown_keys_name_the_nearest_and_the_valid_ones(
    folder: Path, given: str, near: str | None, valid: str
) -> None:
    message = fault(folder, given)
    assert message.startswith(f"command line: {given}: unknown key ")
    assert valid in message
    if near:
        assert f"did you mean {near}?" in message


def test_valid_keys_of_a_choice_are_those_of_the_chosen_class(folder: Path) -> None:
    assert load(folder, "method=relu", "method.frequencies=3").method.frequencies == 3
    assert "keys of method: name, frequencies" in fault(folder, "method=relu", "method.alpha=3")


@pytest.mark.parametrize(
    ("given", "expected", "seen"),
    [
        ("max_steps=1.5", "expected int", "1.5"),
        ("max_steps=1e5", "expected int", "write 100000"),
        ("max_steps=true", "expected int", "true"),
        ("max_steps=", "expected int", "''"),
        ("max_steps='5'", "expected int", "'5'"),
        ("max_steps=int(3.7)", "expected int", "int(3.7)"),
        ("lr=fast", "expected float", "'fast'"),
        ("lr=null", "expected float", "null"),
        ("lr=${oc.env:HOME}", "expected float", "interpolations"),
        ("compile=yes", "expected true or false", "'yes'"),
        ("compile=1", "expected true or false", "1"),
        ("max_seconds=soon", "expected float or null", "'soon'"),
        ("mixed_precision=bf61", "expected one of no, bf16, fp16", "did you mean bf16?"),
        ("milestones=0.5", "expected list of float", "[1,2,3]"),
        ("milestones=1,2", "expected list of float", "[1,2,3]"),
        ("milestones=[1,x]", "entry 1: expected float", "'x'"),
        ("milestones=[1", "expected list of float", "cannot be read"),
        ("milestones=[a=1]", "expected list of float", "texts that hold = are quoted"),
        ("milestones=range(1,3)", "expected list of float", "range(1,3)"),
        ("size=[1]", "expected [int, int]", "2 entries are needed, 1 given"),
        ("weights.a=x", "entry a: expected float", "'x'"),
        ("samples=many", "expected int or one of auto", "'many'"),
    ],
)
def test_wrong_types_name_key_type_and_value(folder: Path, given: str, expected: str, seen: str) -> None:
    message = fault(folder, f"trainer.{given}")
    assert message.startswith(f"command line: trainer.{given}: trainer.{given.split('=')[0].split('.')[0]}: ")
    assert expected in message
    assert seen in message


@pytest.mark.parametrize("given", ["trainer=5", "trainer={lr:5}", "trainer="])
def test_a_node_that_is_no_group_cannot_be_set(folder: Path, given: str) -> None:
    message = fault(folder, given)
    assert message.startswith(f"command line: {given}: trainer is a group of keys")
    assert "trainer.max_steps=" in message


def test_a_value_and_a_key_below_it_contradict(folder: Path) -> None:
    for order in (["trainer.lr=5", "trainer.lr.x=3"], ["trainer.lr.x=3", "trainer.lr=5"]):
        assert "contradicts" in fault(folder, *order)


def test_unknown_options_name_the_nearest_and_all(folder: Path) -> None:
    message = fault(folder, "scene=legoo")
    assert message.startswith("command line: scene=legoo: no scene is named 'legoo'; did you mean lego?")
    assert "choices: demo, lego" in message
    assert "choices: relu, siren, weight_scaling" in fault(folder, "method=zzz")
    message = fault(folder, "scene=lego.yaml")
    assert "there is no file lego.yaml" in message
    assert "did you mean lego?" in message
    for odd in ("", "null", "../scene/lego", "lego,demo", "[lego]", "<file>"):
        assert "choices: demo, lego" in fault(folder, f"scene={odd}")


def test_unknown_name_of_a_choice(folder: Path) -> None:
    message = fault(folder, "method.name=sinusoid")
    assert message.startswith(
        "command line: method.name=sinusoid: method.name: no choice is named 'sinusoid'"
    )
    assert "did you mean sinusoidal? choices: sinusoidal, relu" in message


def test_validation_of_a_node_names_its_key(folder: Path) -> None:
    message = fault(folder, "method.alpha=-1")
    assert message.endswith("with method.alpha=-1: method: alpha must be positive, got -1.0")
    message = fault(folder, "trainer.max_steps=-1")
    assert message.endswith("with trainer.max_steps=-1: trainer: max_steps must not be negative, got -1")


# --- files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mine.yaml", "a b=c (é) {x}, 'q'.yaml", "sub dir/~mine.YML"])
def test_a_group_value_may_be_a_yaml_file(
    folder: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {name: "root: my/place\ntitle: mine\n"})
    expected = SceneConfig(root=Path("my/place"), title="mine")
    assert load(folder, f"scene={tmp_path / name}").scene == expected
    monkeypatch.chdir(tmp_path)
    assert load(folder, f"scene={name}").scene == expected
    assert load(folder, f"scene={name}", "scene.downscale=2").scene.downscale == 2
    assert load(folder).scene.title == "the demo"  # nothing of the file stays behind


def test_a_file_of_one_s_own_for_a_choice_and_with_defaults(folder: Path, tmp_path: Path) -> None:
    write(
        tmp_path, {"m.yaml": "name: relu\nfrequencies: 3\n", "s.yaml": "defaults: [lego]\ntitle: changed\n"}
    )
    config = load(folder, f"method={tmp_path / 'm.yaml'}", f"scene={tmp_path / 's.yaml'}")
    assert config.method == Relu.Config(name="relu", frequencies=3)
    assert config.scene == SceneConfig(root=Path("data/lego"), title="changed", downscale=8)
    write(tmp_path, {"s.yaml": "defaults: [nothing]\nroot: x\n"})
    message = fault(folder, f"scene={tmp_path / 's.yaml'}")
    assert str(tmp_path / "s.yaml") in message
    assert "scene/nothing" in message


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("", 1, "empty"),
        ("# only a comment\n", 1, "empty"),
        ("\n- a\n- b\n", 2, "a list"),
        ("just text", 1, "a single value"),
        ("root: x\ntitle: [a, b\n", 3, "broken YAML"),
        ("root: x\n\ttitle: y\n", 2, "broken YAML"),
        ("root: x\ntitle: a\x01b\n", 2, "broken YAML"),
        ("root: x\nroot: y\n", 2, "given twice"),
        ("root: x\ntitle: ${oc.env:HOME}\n", 2, "interpolations"),
        ("root: x\ntitle: 'a ${root} b'\n", 2, "interpolations"),
        ("root: &a x\ntitle: *a\n", 2, "aliases"),
        ("root: x\ndownscal: 3\n", 2, "unknown key scene.downscal; did you mean scene.downscale?"),
        ("root: x\ndownscale: 1.5\n", 2, "scene.downscale: expected int, got 1.5"),
        ("root: x\ndownscale: '2'\n", 2, "scene.downscale: expected int, got '2'"),
        ("root: x\ntitle: 7\n", 2, "put it in quotes"),
        ("root: x\ncrop: {right: a}\n", 2, "scene.crop.right: expected int"),
        ("root: x\ncrop: 5\n", 2, "scene.crop is a group of keys"),
        ("root: x\n_target_: os.system\n", 2, "unknown key scene._target_"),
        ("root: x\n5: 6\n", 2, "unknown key scene.5"),
    ],
)
def test_faults_in_a_file_name_file_and_line(
    folder: Path, tmp_path: Path, text: str, line: int, why: str
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(text)
    message = fault(folder, f"scene={mine}")
    assert message.startswith(f"{mine} line {line}: ")
    assert why in message


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("- a\n- b\n", 1, "a list"),
        ("root: x\ntitle: [a, b\n", 3, "broken YAML"),
        ("root: x\ntitle: a\x01b\n", 2, "broken YAML"),
        ("root: x\nroot: y\n", 2, "given twice"),
        ("root: x\ntitle: ${oc.env:HOME}\n", 2, "interpolations"),
        ("root: x\ntitle: ${\n", 2, "interpolations"),
        ("root: x\ndownscale: 1.5\n", 2, "scene.downscale: expected int, got 1.5"),
    ],
)
def test_faults_in_an_option_that_the_main_file_lists(tmp_path: Path, text: str, line: int, why: str) -> None:
    """Hydra meets these files first: its own errors must not come through."""
    write(tmp_path, FILES)
    (tmp_path / "scene" / "demo.yaml").write_text(text)
    message = fault(tmp_path)
    assert message.startswith(f"{tmp_path / 'scene' / 'demo.yaml'} line {line}: ")
    assert why in message


def test_binary_and_unreadable_files(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_bytes(b"root: \xff\xfe\n")
    assert fault(folder, f"scene={mine}").startswith(f"{mine}: is not UTF-8 text")
    mine.write_text("a: !!int x\n")
    assert fault(folder, f"scene={mine}").startswith(f"{mine}: broken YAML")
    mine.write_text("a: " + "[" * 3000)
    assert "broken YAML" in fault(folder, f"scene={mine}")
    mine.write_text("a: !!python/object/apply:os.getcwd []\n")
    assert "broken YAML" in fault(folder, f"scene={mine}")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("defaults: [scene: nothing]\n", ["train.yaml", "scene/nothing", "demo lego"]),
        ("defaults: [sceen: demo]\n", ["train.yaml", "sceen/demo"]),
        ("defaults: [scene: demo, '${oc.env:HOME}']\n", ["train.yaml line 1", "interpolations"]),
        ("defaults: [scene: demo, _self_]\nscene: 5\n", ["train.yaml"]),
        ("defaults: 5\n", ["train.yaml"]),
        ("defaults: [scene: demo]\nhydra: {job: {env_copy: [HOME]}}\n", ["train.yaml line 2", "Hydra"]),
        (
            "defaults: [scene: demo]\ntrainer: {max_steps: 5, speed: 3}\n",
            ["train.yaml line 2", "trainer.speed"],
        ),
        (
            "defaults: [scene: demo]\ntrainer: {max_steps: -5}\n",
            ["train.yaml line 2: trainer: max_steps must"],
        ),
        ("defaults: [scene: '???']\n", ["train.yaml", "scene"]),
        ("scene: {root: '???'}\n", ["train.yaml line 1: scene.root must be given: scene.root=VALUE (path)"]),
    ],
)
def test_faults_in_the_main_file(tmp_path: Path, text: str, parts: list[str]) -> None:
    write(tmp_path, {**FILES, "train.yaml": text})
    message = fault(tmp_path)
    for part in parts:
        assert part in message


def test_missing_folder_and_file(tmp_path: Path) -> None:
    assert str(tmp_path / "nowhere") in fault(tmp_path / "nowhere")
    assert str(tmp_path / "train.yaml") in fault(tmp_path)


def test_a_choice_has_its_default_where_the_main_file_selects_none(tmp_path: Path) -> None:
    write(tmp_path, {**FILES, "train.yaml": "defaults: [scene: demo, _self_]\n"})
    assert load(tmp_path).method.alpha == 2.5
    assert load(tmp_path, "method=relu").method == Relu.Config(frequencies=6)
    write(tmp_path, {"train.yaml": "defaults: [scene: demo, _self_]\nmethod: {name: relu}\n"})
    assert load(tmp_path).method == Relu.Config(frequencies=10)


@dataclass
class Bare:
    method: Any = choice(FIELDS, default="relu")


def test_a_choice_without_a_folder_is_made_among_the_classes(tmp_path: Path) -> None:
    write(tmp_path, {"run.yaml": "{}\n"})

    def bare(*overrides: str) -> Any:
        return load_config(Bare, "run", config_dir=tmp_path, overrides=overrides).method

    assert Bare().method == bare() == Relu.Config()
    assert bare("method=sinusoidal", "method.alpha=3") == Sinusoidal.Config(alpha=3.0)
    with pytest.raises(UserError, match=r"did you mean relu\? choices: sinusoidal, relu"):
        bare("method=rellu")


def test_retired_keys_of_older_runs_are_read_over() -> None:
    @dataclass
    class Auto:
        part: float = 0.1

    @dataclass
    class Judged(Auto):
        tolerance: float = 0.5

    for kind in (Auto, Judged):
        config = make_dataclass("Config", [("auto_alpha", kind, field(default_factory=kind))])
        read = from_yaml(config, "auto_alpha: {part: 0.2, tolerance: 0.3}\n").auto_alpha
        assert read == (kind(0.2) if kind is Auto else Judged(0.2, 0.3))
        with pytest.raises(UserError, match="tolerances"):
            from_yaml(config, "auto_alpha: {tolerances: 0.3}\n")


@dataclass
class FreeForm:
    data: dict[str, Any] = field(default_factory=dict)
    anything: Any = None


def test_free_form_values_of_the_command_line_are_plain_data(tmp_path: Path) -> None:
    write(tmp_path, {"run.yaml": "{}\n"})
    overrides = ["data.a.b=3", "anything.c=[1, x]", "data.d=2*(1 + pi)"]
    loaded = load_config(FreeForm, "run", config_dir=tmp_path, overrides=overrides)
    assert loaded == FreeForm({"a": {"b": 3}, "d": "2*(1 + pi)"}, {"c": [1, "x"]})
    assert from_yaml(FreeForm, to_yaml(loaded), "config.yaml") == loaded


def test_unquoted_no_in_yaml_is_the_choice_no(tmp_path: Path) -> None:
    write(tmp_path, {**FILES, "train.yaml": "defaults: [scene: demo]\ntrainer: {mixed_precision: no}\n"})
    assert load(tmp_path).trainer.mixed_precision == "no"


# --- no side effects ----------------------------------------------------------------------------------


def test_loading_leaves_the_process_as_it_was(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("root: x\n")
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    files, repository = sorted(tmp_path.rglob("*")), repr(ConfigStore.instance().repo)
    other = write(tmp_path.parent / "other configs", {"run.yaml": "{}\n"})
    for _ in range(2):
        load(folder, "scene=mine.yaml")
        fault(folder, "scene=nothing")
        fault(folder, "trainer.lr=x")
        load_config(Bare, "run", config_dir=other, overrides=["method=relu"])
    assert Path.cwd() == tmp_path
    assert sorted(tmp_path.rglob("*")) == files
    assert (logging.getLogger().handlers, logging.getLogger().level) == (handlers, level)
    assert repr(ConfigStore.instance().repo) == repository
    assert not GlobalHydra.instance().is_initialized()


def test_the_environment_does_not_change_a_configuration(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    overrides = ["scene=lego", "out=$HOME ${oc.env:HOME}"]
    expected = load(folder, *overrides)
    names = ["HOME", "HYDRA_FULL_ERROR", "SELF_WARNING_AS_ERROR", "trainer.lr", "TRAINER_LR", "scene", "OUT"]
    for name in names:
        monkeypatch.setenv(name, "1")
    assert load(folder, *overrides) == expected
    assert expected.out == "$HOME ${oc.env:HOME}"
    assert "choices: demo, lego" in fault(folder, "scene=nothing")
    assert capfd.readouterr() == ("", "")


# --- stored configurations ----------------------------------------------------------------------------


def test_a_stored_configuration_is_validated_like_a_new_one(folder: Path) -> None:
    config = load(folder, "scene=lego", "method=relu", "trainer.lr=1e-7", "trainer.weights.a=2")
    text = to_yaml(config)
    assert from_yaml(Config, text) == config
    with pytest.raises(
        UserError, match=r"^run/config.yaml line 1: out: expected text or null, got 5 \(int\)"
    ):
        from_yaml(Config, text.replace("out: null", "out: 5"), "run/config.yaml")
    with pytest.raises(UserError, match=r"^run/config.yaml line \d+: unknown key method.frequency; did you"):
        from_yaml(Config, text.replace("frequencies", "frequency"), "run/config.yaml")
    with pytest.raises(UserError, match=r"^run/config.yaml line 1: the file is empty"):
        from_yaml(Config, "", "run/config.yaml")
    with pytest.raises(UserError, match="broken YAML"):
        from_yaml(Config, text[: len(text) // 2] + "\n  {[", "run/config.yaml")


def test_differences_are_named_with_both_values(folder: Path) -> None:
    old, new = load(folder, "out=a", "trainer.lr=nan"), load(folder, "out=b", "trainer.lr=nan")
    assert differences(old, new) == []
    assert differences(old, new, ignore=()) == ["out: 'a' in the run folder, 'b' now"]
    new = load(folder, "trainer.max_steps=7", "trainer.lr=nan", "trainer.size=[1,1]")
    assert differences(old, new) == [
        "trainer.max_steps: 100 in the run folder, 7 now",
        "trainer.size: [4, 8] in the run folder, [1, 1] now",
    ]
    assert differences(old, new, ignore=("out", "trainer")) == []
    lines = differences(load(folder), load(folder, "method=relu"))
    assert "method.name: 'sinusoidal' in the run folder, 'relu' now" in lines
    assert "method.alpha: 2.5 in the run folder, not set now" in lines
    assert "method.frequencies: not set in the run folder, 6 now" in lines


# --- help ---------------------------------------------------------------------------------------------


def test_help_shows_keys_defaults_types_units_and_choices(folder: Path) -> None:
    assert wants_help(["scene=lego", "--help"])
    assert wants_help(["-h"])
    assert not wants_help(["scene=--help"])
    text = help_text(Config, "train", config_dir=folder, program="python -m app.train")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "usage: python -m app.train [key=value ...]"
    assert "scene demo (default), lego" in lines
    assert "method relu, siren, weight_scaling (default)" in lines
    assert "out=null run folder (text or null)" in lines
    assert "scene.crop=null (group of keys or null)" in lines
    assert "scene.crop.right=(required) last column (int, pixels)" in lines
    assert "trainer.max_steps=100 optimiser steps (int)" in lines
    assert "trainer.max_seconds=null time limit (float or null, s)" in lines
    assert "trainer.mixed_precision=no (one of no, bf16, fp16)" in lines
    assert "trainer.milestones=[0.5,0.75] fractions of the run (list of float)" in lines
    assert "method.alpha=2.5 weight scale (float)" in lines
    assert max(map(len, text.splitlines())) <= 110


def test_help_of_another_choice_and_of_required_keys(tmp_path: Path) -> None:
    write(tmp_path, {**FILES, "train.yaml": "defaults: [method: weight_scaling]\n"})
    text = help_text(
        Config, "train", config_dir=tmp_path, program="app", overrides=["--help", "method=relu", "out=x"]
    )
    assert "method.frequencies=6" in text
    assert "method.alpha" not in text
    assert "scene.root=(required)" in text
    assert "out=x" in text


def test_every_key_of_the_help_can_be_set(folder: Path) -> None:
    text = help_text(Config, "train", config_dir=folder, program="app")
    keys = [line.split()[0] for line in text.splitlines() if line.startswith("  ") and "=" in line.split()[0]]
    keys = [key for key in keys if not key.startswith(("scene.crop.", "trainer.weights"))]
    assert len(keys) > 12
    assert load(folder, *keys, "scene.title=the demo") == load(folder)


def test_configuration_folders_of_the_applications() -> None:
    folder = default_config_dir("nerf")
    assert folder.is_dir()
    assert folder.name == "nerf"
    with pytest.raises(UserError, match="no configurations for 'nothing'"):
        default_config_dir("nothing")


def test_suggested_settings_give_way_to_what_is_given() -> None:
    settings = ["method.omega_0=10", "trainer.optimizer.lr=3e-3"]
    assert left_open(settings, ["out=x", "trainer.optimizer.lr=1"]) == ["method.omega_0=10"]
    assert left_open(settings, ["method=relu_pe"]) == ["trainer.optimizer.lr=3e-3"]
    assert left_open(settings, ["trainer.optimizer.lr_=1", "method.omega=1"]) == settings


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", "010"), ("1:30", "1:30"), ("0x10", "0x10"), ("1:30.5", "1:30.5"), ("0b11", "0b11"),
        ("0", 0), ("-10", -10), ("+7", 7), ("1_000", 1000), ("1.5", 1.5), ("-.5", -0.5), ("1.", 1.0),
        ("1e-4", 1e-4), ("-2.5E+3", -2500.0), ("01.5", 1.5), (".inf", math.inf), ("-.inf", -math.inf),
    ],
)  # fmt: skip
def test_numbers_are_those_that_people_write(text, value):
    """YAML 1.1 would take 010 for 8 and 1:30 for 90."""
    found = parse_yaml(f"key: {text}", "mine.yaml", interpolation=False).data["key"]
    assert (type(found), found) == (type(value), value)
    assert parse_yaml(dump_yaml({"key": found}), "dumped", interpolation=False).data["key"] == found
