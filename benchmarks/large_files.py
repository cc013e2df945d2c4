"""A user's large files, in mini-batches, at the defaults: score, time and peak memory of each fit.

    python benchmarks/large_files.py data.root=DATA out=runs/large [only=photo,song] [seconds=300]

The files are made from the data once: a photograph of 4096x2048 (eight DIV2K pictures, enlarged twice); a
quilt of that size of Kodak pictures in their full detail (mirrored, then flipped), on which only the number
of steps was chosen; a song of three minutes (the Bach prelude over and over, transposed each time); Lucy in
1.6 million triangles (each of hers in 16); the ERA5 map of 1 degree on the 721x1440 points of a quarter
degree. Each is fitted by ``python -m wsapps_signals.fit`` at its defaults, in a process of its own.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import soundfile
import trimesh
from PIL import Image
from scipy.ndimage import zoom

from wsapps_signals.kinds.map_selection import read_map
from wsapps_signals.kinds.netcdf import write_map
from wsapps_signals.kinds.sphere_grid import SphereMap


@dataclass(frozen=True)
class Case:
    """A large file, how it is made from the data's folder, and how it is fitted."""

    file: str
    make: Callable[[Path, Path], None]
    kind: str
    score: str
    target: float


def make_photo(data: Path, file: Path) -> None:
    pictures = [iio.imread(data / "div2k" / f"{n:02d}.png") for n in range(8)]
    rows = [np.concatenate(pictures[first : first + 4], axis=1) for first in (0, 4)]
    whole = Image.fromarray(np.concatenate(rows))
    whole.resize((2 * whole.width, 2 * whole.height), Image.Resampling.BICUBIC).save(file)


def make_quilt(data: Path, file: Path) -> None:
    kodak = [iio.imread(path) for path in sorted((data / "kodak").glob("*.png"))]
    patches = [*kodak, *(picture[:, ::-1] for picture in kodak), *(picture[::-1] for picture in kodak)]
    rows = [np.concatenate(patches[first : first + 8], axis=1) for first in range(0, 32, 8)]
    iio.imwrite(file, np.concatenate(rows))


def make_song(data: Path, file: Path, seconds: float = 180.0) -> None:
    theme, rate = soundfile.read(data / "audio" / "bach.wav", dtype="float32")
    parts, length, part = [], 0, 0
    while length < seconds * rate:
        speed = 2 ** ((part % 13 - 6) / 12)  # a semitone higher each time, over an octave
        places = np.arange(0, len(theme) - 1, speed)
        parts.append(np.interp(places, np.arange(len(theme)), theme).astype(np.float32))
        length, part = length + len(parts[-1]), part + 1
    soundfile.write(file, np.concatenate(parts)[: round(seconds * rate)], rate)


def make_mesh(data: Path, file: Path) -> None:
    mesh = trimesh.load_mesh(data / "mesh" / "lucy.ply", process=False)
    mesh.subdivide().subdivide().export(file)


def make_map(data: Path, file: Path) -> None:
    coarse = read_map(data / "era5" / "era5_t2m_1deg.nc")
    wrapped = np.concatenate([coarse.values, coarse.values[:, :1]], axis=1)
    fine = np.asarray(zoom(wrapped, (721 / 181, 1441 / 361), order=3))[:, :-1]
    latitudes = np.linspace(coarse.latitudes[0], coarse.latitudes[-1], 721)
    longitudes = coarse.longitudes[0] + np.arange(1440) * 0.25
    write_map(file, SphereMap(latitudes, longitudes, fine, coarse.variable, coarse.units, coarse.long_name))


CASES = {
    "photo": Case("photo_4k.png", make_photo, "image", "psnr", 28),
    "quilt": Case("quilt_4k.png", make_quilt, "image", "psnr", 28),
    "song": Case("song.wav", make_song, "audio", "psnr", 25),
    "mesh": Case("lucy_1600k.ply", make_mesh, "occupancy", "iou", 0.97),
    "map": Case("t2m_quarter_degree.nc", make_map, "sphere", "psnr", 35),
}


def main() -> None:
    options = dict(argument.split("=", 1) for argument in sys.argv[1:])
    data, out = Path(options["data.root"]), Path(options.get("out", "runs/benchmarks/large_files"))
    limit = [f"trainer.max_seconds={options['seconds']}"] if "seconds" in options else []
    names = options.get("only", ",".join(CASES)).split(",")
    out.mkdir(parents=True, exist_ok=True)
    print("| file | bytes | score | wanted | training, s | all, s | peak memory, GiB |")
    print("|---|---|---|---|---|---|---|")
    for name in names:
        case = CASES[name]
        file = out / case.file
        if not file.is_file():
            case.make(data, file)
        began = time.monotonic()
        memory = _fit(case, file, out / name, limit)
        metrics = json.loads((out / name / "metrics.json").read_text())
        print(
            f"| {name} | {file.stat().st_size} | {case.score} {metrics[case.score]:.4f} | > {case.target} | "
            f"{metrics['train_seconds']:.0f} | {time.monotonic() - began:.0f} | {memory:.2f} |",
            flush=True,
        )


def _fit(case: Case, file: Path, out: Path, limit: list[str]) -> float:
    """Run the fit, and return its peak memory in GiB; NaN where it was finished before."""
    if (out / "metrics.json").is_file():
        return math.nan
    settings = [f"signal={case.kind}", f"path={file}", f"out={out}", *limit]
    process = subprocess.Popen([sys.executable, "-m", "wsapps_signals.fit", *settings])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"the fit of {file} failed")
    return usage.ru_maxrss / 2**20


if __name__ == "__main__":
    main()
