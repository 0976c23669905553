"""What `sjc export` is asked for.  Standard library only: the command line starts with it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import SjcError
from ..settings import TEXTURE_EDGES

FORMATS = ("glb", "obj", "stl", "3mf")
IN_BLENDER = {"usd", "usda", "usdc", "usdz", "fbx"}
ORIGINS = ("base", "center", "keep")
PER_METRE = {"m": 1.0, "cm": 100.0, "mm": 1000.0}
OWN_UNIT = {"glb": "m", "3mf": "mm"}  # which these formats state
USUAL_UNIT = {"obj": "m", "stl": "mm"}  # which these leave to whoever reads them
MOST_LODS = 8


@dataclass(frozen=True)
class Options:
    """formats: endings of FORMATS.

    faces: about how many to keep, 0 for all. lods: further levels, each with half the faces of the one before.
    size: metres along the longest side, 0 keeps the volume's own (2 wide). origin: the middle of the base, of the
    whole, or where the volume has it. unit: of the formats that state none, "" for the usual one of each.
    texture: edge of a baked picture in texels, 0 for colours at the vertices. bake_normals, bake_ao: whether the dense
    mesh's normals and ambient occlusion become pictures of that size, too. report: whether to measure how it prints.
    """

    formats: tuple[str, ...] = ("glb",)
    faces: int = 0
    lods: int = 0
    size: float = 1.0
    origin: str = "base"
    unit: str = ""
    texture: int = 0
    bake_normals: bool = False
    bake_ao: bool = False
    report: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Raises SjcError, one line, for what cannot be."""
        for ending in self.formats:
            if ending in IN_BLENDER:
                raise SjcError(f"format: {ending} is written by Blender, from a result that is imported there.")
            if ending not in FORMATS:
                raise SjcError(f'format: "{ending}" is unknown; there are {", ".join(FORMATS)}.')
        if not self.formats:
            raise SjcError(f"format: name at least one of {', '.join(FORMATS)}.")
        if self.faces and not 12 <= self.faces <= 10_000_000:
            raise SjcError(f"faces: {self.faces} is out of range; use 12 to 10000000, or 0 for all.")
        if not 0 <= self.lods <= MOST_LODS:
            raise SjcError(f"lods: {self.lods} is out of range; use 0 to {MOST_LODS}.")
        if not (math.isfinite(self.size) and (self.size == 0 or 1e-4 <= self.size <= 1e4)):
            raise SjcError(f"size: {self.size} is out of range; use 0.0001 to 10000 metres, or 0 for the volume's own.")
        if self.origin not in ORIGINS:
            raise SjcError(f'origin: "{self.origin}" is unknown; there are {", ".join(ORIGINS)}.')
        if self.unit and self.unit not in PER_METRE:
            raise SjcError(f'unit: "{self.unit}" is unknown; there are {", ".join(PER_METRE)}.')
        low, high = TEXTURE_EDGES
        if self.texture and not low <= self.texture <= high:
            raise SjcError(f"texture: {self.texture} is out of range; use {low} to {high} texels, or 0 for none.")
        if self.bakes and not self.texture:
            raise SjcError("A bake needs a picture to go into; give its edge, too, such as --texture 1024.")
        if self.bakes and "glb" not in self.formats:
            raise SjcError("Only glTF carries baked normals and ambient occlusion; add glb to --format.")

    @property
    def bakes(self) -> bool:
        """Whether anything of the dense mesh is baked besides its colours."""
        return self.bake_normals or self.bake_ao

    def unit_of(self, ending: str) -> str:
        """The unit in a file of a format."""
        return OWN_UNIT.get(ending) or self.unit or USUAL_UNIT[ending]
