"""Reference files and the cache: what is read, what is refused, what survives damage."""

from __future__ import annotations

import itertools
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.user_errors import one_line_error
from wsapps_pde.references import (
    SOLVERS,
    ReferenceSolution,
    cache,
    default_cache_dir,
    read_reference,
    solve_reference,
)

X, T = np.linspace(-1.0, 1.0, 7), np.linspace(0.0, 1.0, 5)
U = np.sin(X)[:, None] + T**2


def saved(folder: Path, **arrays) -> Path:
    path = folder / "ref.npz"
    np.savez(path, **arrays)
    return path


def assert_same(solution: ReferenceSolution, u: np.ndarray = U) -> None:
    assert solution.points is None
    assert np.array_equal(solution.axes["x"], X)
    assert np.array_equal(solution.axes["t"], T)
    assert np.array_equal(solution.values["u"], u)
    assert solution.errors == {}


# --- files ---


def test_grids_in_either_order_of_axes_and_of_values(tmp_path):
    assert_same(read_reference(saved(tmp_path, x=X, t=T, u=U, other=X), ("x", "t"), ("u",)))
    assert_same(read_reference(saved(tmp_path, x=X[:, None], t=T[None], u=U.T), ("x", "t"), ("u",)))
    assert_same(read_reference(saved(tmp_path, x=X[::-1], t=T, u=U[::-1]), ("x", "t"), ("u",)))
    whole = saved(tmp_path, x=X, t=T, u=np.arange(35).reshape(7, 5))
    assert_same(read_reference(whole, ("x", "t"), ("u",)), np.arange(35.0).reshape(7, 5))


@settings(max_examples=30, deadline=None)
@given(order=st.permutations("xyt"), seed=st.integers(0, 10**6))
def test_any_order_of_axes_is_told_from_their_lengths(tmp_path_factory, order, seed):
    rng = np.random.default_rng(seed)
    sizes = dict(zip("xyt", rng.choice(np.arange(2, 9), 3, replace=False), strict=True))
    axes = {name: np.sort(rng.choice(100, size, replace=False) / 7) for name, size in sizes.items()}
    u = rng.normal(size=tuple(sizes.values()))
    shuffled = {name: rng.permutation(len(axis)) for name, axis in axes.items()}
    stored = u[np.ix_(*shuffled.values())].transpose(["xyt".index(name) for name in order])
    path = saved(tmp_path_factory.mktemp("grid"), u=stored, **{k: v[shuffled[k]] for k, v in axes.items()})
    found = read_reference(path, "xyt", ("u",))
    assert np.array_equal(found.values["u"], u)


def test_equal_lengths_take_the_problems_order(tmp_path):
    axis = np.arange(4.0)
    u = np.random.default_rng(0).normal(size=(4, 4))
    path = saved(tmp_path, x=axis, y=axis, u=u)
    assert np.array_equal(read_reference(path, ("x", "y"), ("u",)).values["u"], u)
    assert np.array_equal(read_reference(path, ("y", "x"), ("u",)).values["u"], u)


def test_an_unknown_of_fewer_variables_is_the_same_along_the_others(tmp_path):
    path = saved(tmp_path, x=X, t=T, u=U.T, k=X**2)
    found = read_reference(path, ("x", "t"), {"u": ("x", "t"), "k": ("x",)})
    assert np.array_equal(found.values["k"], np.repeat(X[:, None] ** 2, 5, axis=1))


def test_points_and_csv(tmp_path):
    rng = np.random.default_rng(0)
    x, t = rng.uniform(size=(2, 30))
    found = read_reference(saved(tmp_path, x=x, t=t, u=x - t), ("x", "t"), ("u",))
    assert found.axes is None
    assert np.array_equal(found.points, np.stack([x, t], axis=1))
    path = tmp_path / "ref.csv"
    path.write_text(
        "t, u ,x\n" + "".join(f"{b!r},{a - b!r},{a!r}\n" for a, b in zip(x.tolist(), t.tolist(), strict=True))
    )
    again = read_reference(path, ("x", "t"), ("u",))
    assert np.array_equal(again.points, found.points)
    assert np.array_equal(again.values["u"], found.values["u"])


def test_points_that_fill_a_grid_become_one(tmp_path):
    x, t = (axis.ravel() for axis in np.meshgrid(X, T))
    shuffle = np.random.default_rng(0).permutation(35)
    assert_same(
        read_reference(
            saved(tmp_path, x=x[shuffle], t=t[shuffle], u=U.T.ravel()[shuffle]), ("x", "t"), ("u",)
        )
    )
    mesh_x, mesh_t = np.meshgrid(X, T, indexing="ij")
    assert_same(read_reference(saved(tmp_path, x=mesh_x, t=mesh_t, u=U), ("x", "t"), ("u",)))


def test_nan_is_refused_unless_it_means_outside(tmp_path):
    holed = U.copy()
    holed[2, 1] = np.nan
    path = saved(tmp_path, x=X, t=T, u=holed)
    one_line_error(lambda: read_reference(path, ("x", "t"), ("u",)), path, "u is NaN", "1 of 35")
    found = read_reference(path, ("x", "t"), ("u",), outside_nan=True)
    assert np.isnan(found.values["u"]).sum() == 1
    for bad in (np.full_like(U, np.nan), np.where(np.isnan(holed), np.inf, U)):
        saved(tmp_path, x=X, t=T, u=bad)
        one_line_error(lambda: read_reference(path, ("x", "t"), ("u",), outside_nan=True), "NaN")
    saved(tmp_path, x=np.where(X == 0, np.nan, X), t=T, u=U)
    one_line_error(lambda: read_reference(path, ("x", "t"), ("u",), outside_nan=True), "x is NaN")


def test_shapes_that_do_not_fit_are_told(tmp_path):
    def read(**arrays):
        return lambda: read_reference(saved(tmp_path, **arrays), ("x", "t"), ("u",))

    one_line_error(read(x=X, t=T, u=U[:, :4]), "u has shape (7, 4)", "x 7, t 5")
    one_line_error(read(x=X, t=T, u=U[..., None] * np.ones(3)), "shape (7, 5, 3)")
    one_line_error(read(x=X, t=T, u=X), "u has shape (7,)")
    one_line_error(read(x=np.outer(X, T), t=T, u=U), "x has shape (7, 5)")
    one_line_error(read(x=np.abs(X), t=T, u=U), "x has a value twice")
    one_line_error(read(x=X[:1], t=T, u=U[:1]), "x has 1 entries")
    one_line_error(read(x=X, t=T), "no 'u'", "it has x, t")
    one_line_error(read(x=X, time=T, u=U), "no 't'")
    one_line_error(read(x=X, t=T, u=U + 1j), "complex")
    one_line_error(read(x=X, t=T, u=U.astype(str)), "real numbers")


class Trap:
    """Unpickling it would leave a file behind."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_pickled_objects_are_not_read(tmp_path):
    trap = np.array([Trap(tmp_path / "sprung")], dtype=object)
    path = saved(tmp_path, x=X, t=T, u=trap)
    one_line_error(lambda: read_reference(path, ("x", "t"), ("u",)), "pickled objects")
    raw = tmp_path / "raw.npz"
    raw.write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    one_line_error(lambda: read_reference(raw, ("x", "t"), ("u",)), "raw.npz")
    assert not (tmp_path / "sprung").exists()


def test_broken_missing_and_other_files(tmp_path):
    whole = saved(tmp_path, x=X, t=T, u=U).read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 5):
        path = tmp_path / "cut.npz"
        path.write_bytes(whole[:length])
        one_line_error(lambda path=path: read_reference(path, ("x", "t"), ("u",)), "cut.npz")
    one_line_error(lambda: read_reference(tmp_path / "none.npz", ("x",), ("u",)), "no such file")
    one_line_error(lambda: read_reference(tmp_path, ("x",), ("u",)), ".npz or a .csv")
    single = tmp_path / "single.npz"
    with single.open("wb") as file:
        np.save(file, U)
    one_line_error(lambda: read_reference(single, ("x", "t"), ("u",)), "without a name")


# --- the cache ---


@pytest.fixture
def solves(monkeypatch) -> list[dict]:
    """The settings of each time that the cheapest solver is called."""
    calls = []
    solver = SOLVERS["helmholtz_2d"]

    def counted(*, k=10.0, amplitude=100.0, centre=(0.3, -0.2), width=0.1, points=8, modes=16):
        calls.append({"k": k, "points": points})
        return solver(k=k, amplitude=amplitude, centre=centre, width=width, points=points, modes=modes)

    monkeypatch.setitem(SOLVERS, "helmholtz_2d", counted)
    return calls


def assert_equal(a: ReferenceSolution, b: ReferenceSolution) -> None:
    assert a.description == b.description
    assert a.errors == b.errors
    assert list(a.axes) == list(b.axes)
    for name in a.axes:
        assert np.array_equal(a.axes[name], b.axes[name])
    for name in a.values:
        assert np.array_equal(a.values[name], b.values[name], equal_nan=True)


def test_solved_once_and_then_read(tmp_path, solves):
    first = solve_reference("helmholtz_2d", {"k": 3.0}, tmp_path / "new" / "folder")
    again = solve_reference("helmholtz_2d", {"k": 3.0}, tmp_path / "new" / "folder")
    assert len(solves) == 1
    assert_equal(first, again)
    assert [path.suffix for path in (tmp_path / "new" / "folder").iterdir()] == [".npz"]


def test_a_key_depends_on_settings_with_their_defaults_and_on_the_source(tmp_path, solves, monkeypatch):
    solve_reference("helmholtz_2d", {}, tmp_path)
    solve_reference("helmholtz_2d", {"k": 10.0}, tmp_path)
    solve_reference("helmholtz_2d", {"centre": [0.3, -0.2], "k": np.float64(10.0)}, tmp_path)
    assert len(solves) == 1
    solve_reference("helmholtz_2d", {"k": 10.5}, tmp_path)
    assert len(solves) == 2
    monkeypatch.setattr(cache, "_version", lambda: "another text")
    solve_reference("helmholtz_2d", {}, tmp_path)
    assert len(solves) == 3


def test_damaged_files_are_made_anew(tmp_path, solves):
    first = solve_reference("helmholtz_2d", None, tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    for number, damaged in enumerate((b"", whole[: len(whole) // 2], bytes(flipped), b"not a zip"), start=2):
        path.write_bytes(damaged)
        assert_equal(solve_reference("helmholtz_2d", None, tmp_path), first)
        assert len(solves) == number
        assert path.read_bytes() == whole


def test_without_a_place_to_write_it_still_solves(tmp_path, solves):
    """A file in the folder's place stands for every folder that cannot be made, for root too."""
    (tmp_path / "file").write_text("")
    first = solve_reference("helmholtz_2d", None, tmp_path / "file" / "cache")
    assert_equal(first, solve_reference("helmholtz_2d", None, tmp_path / "file" / "cache"))
    assert len(solves) == 2


def test_errors_leave_nothing_behind(tmp_path):
    one_line_error(lambda: solve_reference("kdv", {"dt": -1.0}, tmp_path), "dt")
    one_line_error(lambda: solve_reference("kdv", {"dt": {1, 2}}, tmp_path), "dt")
    one_line_error(lambda: solve_reference("nosuch", {}, tmp_path), "nosuch")
    assert list(tmp_path.iterdir()) == []


def test_holes_and_scattered_points_survive(tmp_path, monkeypatch):
    holed = solve_reference("poisson_holes", {"points": 8}, tmp_path)
    assert_equal(holed, solve_reference("poisson_holes", {"points": 8}, tmp_path))
    points = np.random.default_rng(0).uniform(size=(6, 2))
    scattered = ReferenceSolution(None, points, {"u": points[:, 0]}, {"u": 0.5}, "points")
    monkeypatch.setitem(SOLVERS, "helmholtz_2d", lambda: scattered)
    solve_reference("helmholtz_2d", {}, tmp_path)
    again = solve_reference("helmholtz_2d", {}, tmp_path)
    assert again is not scattered
    assert again.axes is None
    assert np.array_equal(again.points, points)


def test_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "wsapps"
    for ignored in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        assert default_cache_dir() == tmp_path / "home" / ".cache" / "wsapps"


def test_two_settings_never_share_a_file(tmp_path, solves):
    for k, points in itertools.product((1.0, 2.0), (4, 8)):
        found = solve_reference("helmholtz_2d", {"k": k, "points": points}, tmp_path)
        assert found.shape == (points + 1, points + 1)
    assert len(list(tmp_path.iterdir())) == len(solves) == 4


def test_a_part_of_the_unknowns_is_enough(tmp_path):
    x, y = np.linspace(0, 1, 5), np.linspace(0, 2, 4)
    np.savez(tmp_path / "ref.npz", x=x, y=y, u=x[:, None] + y)
    assert list(read_reference(tmp_path / "ref.npz", ("x", "y"), ["u", "v", "p"]).values) == ["u"]
    one_line_error(lambda: read_reference(tmp_path / "ref.npz", ("x", "y"), ["v", "p"]), "it has no 'v'")
