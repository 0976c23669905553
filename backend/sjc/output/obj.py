"""Wavefront OBJ: a text file that every 3D program reads, with its material and, where there is one, its texture.

y up, as most programs expect.  Colours of vertices stand behind their positions, sRGB-encoded, as MeshLab and Blender
read them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .colour import linear_to_srgb
from .files import write_bytes
from .glb_container import to_gltf
from .mesh import Mesh
from .pictures import png_bytes


def obj_files(path: Path, mesh: Mesh) -> list[Path]:
    """The files that `write_obj` writes, the .obj last."""
    textured = [path.with_suffix(".mtl"), path.with_suffix(".png")] if mesh.texture else []
    return [*textured, path]


def write_obj(path: Path, mesh: Mesh, name: str = "sjc") -> None:
    """Write `mesh`; with a texture, NAME.mtl and NAME.png beside it, first."""
    object_name = "_".join(name.split()) or "sjc"
    points, faces = to_gltf(mesh.vertices), mesh.faces + 1
    lines = [f"o {object_name}"]
    if mesh.texture:
        picture, material = path.with_suffix(".png"), path.with_suffix(".mtl")
        write_bytes(picture, png_bytes(mesh.texture.picture))
        text = f"newmtl {object_name}\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {picture.name}\n"
        write_bytes(material, text.encode())
        lines = [f"mtllib {material.name}", *lines, f"usemtl {object_name}"]
        lines += [f"v {x:.7g} {y:.7g} {z:.7g}" for x, y, z in points]
        lines += [f"vt {u:.6f} {1 - v:.6f}" for u, v in mesh.texture.uv]  # OBJ counts rows from below
        lines += [f"f {a}/{a} {b}/{b} {c}/{c}" for a, b, c in faces]
    else:
        colors = linear_to_srgb(np.clip(mesh.colors, 0, 1))
        both = np.concatenate([points, colors], 1)
        lines += [f"v {x:.7g} {y:.7g} {z:.7g} {r:.4f} {g:.4f} {b:.4f}" for x, y, z, r, g, b in both]
        lines += [f"f {a} {b} {c}" for a, b, c in faces]
    write_bytes(path, ("\n".join(lines) + "\n").encode())
