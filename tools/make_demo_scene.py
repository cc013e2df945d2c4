"""Render the embedded radiance-field scene: `python tools/make_demo_scene.py --out wsapps_nerf/demo_scene`.

Writes transforms_train.json, transforms_test.json and RGBA PNGs with straight alpha in the Blender
(NeRF-synthetic) layout. Path-traced with Mitsuba 3 (pip install mitsuba) from demo_scene_model.py; the same
seeds give the same files. Takes about five minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import demo_scene_textures as textures
import mitsuba as mi
import numpy as np
from demo_scene_model import build
from demo_scene_shapes import Mesh
from PIL import Image

DISTANCE = 4.0
CAMERA_ANGLE_X = 0.74
LOWEST, HIGHEST = 4.0, 80.0  # elevation of the cameras, degrees


def directions(count: int, jitter: float, phase: float, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors (count, 3) spread over the elevations LOWEST..HIGHEST: a Fibonacci lattice, jittered.

    `jitter` is the standard deviation in degrees; `phase` turns the lattice about z (turns).
    """
    low, high = np.sin(np.radians([LOWEST, HIGHEST]))
    i = np.arange(count)
    z = low + (high - low) * (i + 0.5) / count
    azimuth = 2 * np.pi * (i * (np.sqrt(5) - 1) / 2 + phase)
    elevation = np.degrees(np.arcsin(z)) + jitter * rng.standard_normal(count)
    elevation = np.radians(np.clip(elevation, LOWEST, HIGHEST))
    azimuth = azimuth + np.radians(jitter) * rng.standard_normal(count) / np.cos(elevation)
    flat = np.cos(elevation)
    return np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], -1)


def camera_to_world(direction: np.ndarray) -> np.ndarray:
    """The 4x4 pose of a camera at DISTANCE along `direction` that looks at the origin, OpenGL axes, z up."""
    right = np.cross((0, 0, 1), direction)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3] = np.stack([right, np.cross(direction, right), direction, DISTANCE * direction], 1)
    return pose


def sky(height: int = 128) -> np.ndarray:
    """Environment radiance (height, 2 height, 3): a gradient, a warm soft sun, a weaker lamp opposite."""
    polar = np.pi * (np.arange(height) + 0.5) / height
    azimuth = np.pi * (np.arange(2 * height) + 0.5) / height
    up = np.cos(polar)[:, None]
    direction = np.stack(
        [
            np.sin(polar)[:, None] * np.sin(azimuth),
            up + 0 * azimuth,
            -np.sin(polar)[:, None] * np.cos(azimuth),
        ],
        -1,
    )
    blend = np.clip(0.5 + 0.5 * up, 0, 1)[..., None]
    light = (1 - blend) * np.array([0.80, 0.74, 0.68]) + blend * np.array([0.84, 0.94, 1.12])
    light = np.broadcast_to(light, direction.shape).copy()
    for towards, radius, radiance in (
        ((0.55, 0.80, 0.45), 9.0, np.array([42.0, 38.0, 31.0])),
        ((-0.8, 0.45, -0.6), 16.0, np.array([2.6, 3.0, 4.0])),
    ):
        cosine = direction @ (np.array(towards) / np.linalg.norm(towards))
        angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
        light += np.exp(-0.5 * (angle / (0.6 * radius)) ** 2)[..., None] * radiance
    return light.astype(np.float32)


def _bitmap(image: np.ndarray) -> dict:
    return {"type": "bitmap", "bitmap": mi.Bitmap(image), "wrap_mode": "repeat"}


def _colour(red: int, green: int, blue: int) -> dict:
    srgb = np.array([red, green, blue]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return {"type": "rgb", "value": linear.tolist()}


def materials() -> dict[str, dict]:
    """Mitsuba BSDFs by the model's material names."""
    rainbow = [
        (232, 108, 100),
        (244, 176, 96),
        (248, 226, 140),
        (128, 196, 144),
        (116, 168, 220),
        (176, 140, 204),
    ]

    def matt(colour: dict) -> dict:
        return {"type": "diffuse", "reflectance": colour}

    def glossy(colour: dict, roughness: float = 0.12) -> dict:
        return {"type": "roughplastic", "diffuse_reflectance": colour, "alpha": roughness, "nonlinear": True}

    def metal(name: str, roughness: float) -> dict:
        return {"type": "roughconductor", "material": name, "alpha": roughness}

    table = {
        "maple": glossy(_bitmap(textures.wood((186, 138, 96), (226, 186, 142))), 0.25),
        "planks": matt(_bitmap(textures.wood((196, 158, 116), (232, 204, 164), planks=4))),
        "wicker": matt(_bitmap(textures.checks((176, 128, 84), (220, 180, 128)))),
        "bricks": matt(_bitmap(textures.bricks((236, 206, 180), (216, 142, 114), (228, 162, 130)))),
        "stone": matt(
            _bitmap(textures.bricks((160, 158, 154), (178, 174, 168), (212, 206, 198), rows=2, columns=2))
        ),
        "shingles": matt(_bitmap(textures.shingles((196, 120, 122), (230, 160, 144)))),
        "barber": glossy(_bitmap(textures.barber((232, 112, 104), (246, 234, 218), turns=2)), 0.2),
        "sailcloth": matt(_bitmap(textures.stripes([(246, 238, 222), (112, 160, 212)] * 2))),
        "canvas": matt(_colour(246, 214, 136)),
        "balloon": glossy(_bitmap(textures.stripes(rainbow, 384)), 0.12),
        "buoy": glossy(_bitmap(textures.stripes([(226, 92, 88), (246, 240, 232)] * 2)), 0.1),
        "sea": glossy(_bitmap(textures.sea((104, 180, 216), (148, 212, 226))), 0.22),
        "fields": matt(_bitmap(textures.fields())),
        "sand": matt(_colour(240, 222, 176)),
        "pine": matt(_bitmap(textures.stripes([(122, 184, 132), (142, 200, 146)]))),
        "leaf": matt(_bitmap(textures.checks((226, 138, 92), (240, 176, 112), 4))),
        "lamp": glossy(_colour(255, 220, 110), 0.1),
        "plaster": matt(_colour(236, 216, 184)),
        "peach": matt(_colour(242, 190, 164)),
        "white": matt(_colour(246, 244, 238)),
        "red": glossy(_colour(228, 116, 108), 0.15),
        "blue": matt(_colour(124, 168, 216)),
        "teal": glossy(_colour(120, 196, 188), 0.15),
        "slate": matt(_colour(140, 150, 170)),
        "brass": metal("Au", 0.22),
        "copper": {**metal("Cu", 0.2), "specular_reflectance": _colour(255, 214, 176)},
    }
    return {name: {"type": "twosided", "bsdf": bsdf} for name, bsdf in table.items()}


def write_ply(path: Path, mesh: Mesh) -> None:
    """A binary PLY with normals and texture coordinates."""
    names = ("x", "y", "z", "nx", "ny", "nz", "u", "v")
    properties = "".join(f"property float {name}\n" for name in names)
    header = (
        f"ply\nformat binary_little_endian 1.0\nelement vertex {len(mesh.positions)}\n{properties}"
        f"element face {len(mesh.faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    vertices = np.hstack([mesh.positions, mesh.normals, mesh.uv]).astype("<f4")
    faces = np.empty(len(mesh.faces), dtype=[("n", "u1"), ("v", "<i4", 3)])
    faces["n"], faces["v"] = 3, mesh.faces
    path.write_bytes(header.encode() + vertices.tobytes() + faces.tobytes())


def load_scene(folder: Path) -> mi.Scene:
    """The Mitsuba scene without a camera; meshes pass through PLY files in `folder`."""
    bsdfs = materials()
    upright = mi.ScalarTransform4f().rotate([1, 0, 0], 90)  # Mitsuba's environment has y up
    scene = {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": 6, "hide_emitters": True},
        "sky": {"type": "envmap", "bitmap": mi.Bitmap(sky()), "to_world": upright},
    }
    for name, mesh in build().items():
        write_ply(folder / f"{name}.ply", mesh)
        scene[name] = {"type": "ply", "filename": str(folder / f"{name}.ply"), "bsdf": bsdfs[name]}
    return mi.load_dict(scene)


def render(scene: mi.Scene, pose: np.ndarray, size: int, samples: int, seed: int) -> np.ndarray:
    """One view as uint8 sRGB with straight alpha, (size, size, 4)."""
    flip = np.diag([-1.0, 1.0, -1.0, 1.0])  # Mitsuba's cameras look along +z with +x to the left
    sensor = mi.load_dict(
        {
            "type": "perspective",
            "fov": float(np.degrees(CAMERA_ANGLE_X)),
            "fov_axis": "x",
            "to_world": mi.ScalarTransform4f(pose @ flip),
            "film": {
                "type": "hdrfilm",
                "width": size,
                "height": size,
                "pixel_format": "rgba",
                # Blocks do not overlap with a box filter, so that threads cannot change the result.
                "rfilter": {"type": "box"},
            },
            "sampler": {"type": "multijitter", "sample_count": samples},
        }
    )
    linear = np.array(mi.render(scene, sensor=sensor, seed=seed), dtype=np.float64)
    return straight_srgb(linear)


def straight_srgb(premultiplied: np.ndarray) -> np.ndarray:
    """Linear premultiplied RGBA to uint8 sRGB with straight alpha; rgb is 0 where alpha is 0."""
    alpha = np.clip(premultiplied[..., 3:], 0, 1)
    linear = np.clip(premultiplied[..., :3] / np.maximum(alpha, 1e-6), 0, 1)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    image = np.round(255 * np.concatenate([srgb, alpha], -1)).astype(np.uint8)
    image[image[..., 3] == 0] = 0
    return image


def main() -> None:
    parser = argparse.ArgumentParser(description="Render the embedded radiance-field scene.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--size", type=int, default=128, help="image side in pixels")
    parser.add_argument("--samples", type=int, default=196, help="paths a pixel (a square number)")
    parser.add_argument("--train", type=int, default=60, help="training views")
    parser.add_argument("--test", type=int, default=10, help="test views")
    args = parser.parse_args()
    mi.set_variant("scalar_rgb")
    rng = np.random.default_rng(2024)
    splits = {
        "train": directions(args.train, 3.0, 0.0, rng),
        "test": directions(args.test, 6.0, 0.4, rng),
    }
    started, done, total = time.monotonic(), 0, args.train + args.test
    with tempfile.TemporaryDirectory() as folder:
        scene = load_scene(Path(folder))
        for split, views in splits.items():
            (args.out / split).mkdir(parents=True, exist_ok=True)
            frames = []
            for index, direction in enumerate(views):
                pose, name = camera_to_world(direction).round(8), f"{split}/r_{index:03d}"
                image = render(scene, pose, args.size, args.samples, seed=done)
                Image.fromarray(image).save(args.out / f"{name}.png", optimize=True)
                frames.append({"file_path": name, "transform_matrix": pose.tolist()})
                done += 1
                seconds = time.monotonic() - started
                print(f"{done}/{total} views, {seconds:.0f} s", file=sys.stderr, flush=True)
            content = {"camera_angle_x": CAMERA_ANGLE_X, "frames": frames}
            (args.out / f"transforms_{split}.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
