"""The voxel radiance field (facts 1.1): a dense grid of raw density and colour in the box [-1, 1]^3.

sigma(p) = softplus(exp(log_scale) * trilinear(density, p) + density_shift), per unit length.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import SjcError

COLOR_ACTIVATIONS = ("identity", "tanh_sigmoid", "sigmoid")


def activate_color(raw: Tensor, activation: str) -> Tensor:
    """Raw colour to channels: identity for latents, 2 sigmoid(f) - 1 for pixels in [-1, 1], sigmoid for [0, 1]."""
    if activation == "identity":
        return raw
    if activation == "tanh_sigmoid":
        return torch.tanh(raw / 2)  # = 2 sigmoid(f) - 1, without the rounding near 0
    if activation == "sigmoid":
        return torch.sigmoid(raw)
    raise SjcError(f"color activation {activation!r} is unknown; choose one of {', '.join(COLOR_ACTIVATIONS)}")


class VoxelField(nn.Module):
    """Density and colour on N^3 cell-centred voxels (voxel i at -1 + (i + 0.5) 2/N), arrays indexed [x, y, z].

    Both live in one parameter `grid` [N,N,N,1+C], density first: the eight corners of a sample are then four short runs
    of memory instead of forty scattered numbers, and the renderer needs no packing. `density` [1,N,N,N] and `color`
    [C,N,N,N] are views of it: write with `field.density.copy_(x)` under no_grad, read gradients from `field.grid.grad`
    or `field.split(field.grid.grad)`.

    The other parameters: `log_scale` [] (d of the released code) and, if learned, `background` [C,4,4] (else None).
    """

    def __init__(
        self,
        size: int = 100,
        channels: int = 4,
        *,
        init: str = "fog",
        density_shift: float = -1.0,
        color_activation: str = "identity",
        learned_background: bool = True,
        color_std: float = 1.0,
        blob_density: float = 5.0,
        blob_radius: float = 0.35,
        generator: torch.Generator | None = None,
    ) -> None:
        """Make a new field.

        init "fog" is the released one: density 0, so softplus(shift) everywhere. "blob" adds a Gaussian bump of raw
        height `blob_density` and standard deviation `blob_radius` (world units) in the middle. Colour and background
        are N(0, color_std^2), drawn from `generator`.

        Raises SjcError for a size below 2, no channels, an unknown init or activation.
        """
        super().__init__()
        if size < 2 or channels < 1:
            raise SjcError(
                f"a field of {size}^3 voxels and {channels} channels is too small; give size >= 2, channels >= 1"
            )
        if color_activation not in COLOR_ACTIVATIONS:
            activate_color(torch.zeros(()), color_activation)  # raises, with the list of choices
        if init not in ("fog", "blob"):
            raise SjcError(f"field init {init!r} is unknown; choose fog or blob")
        self.density_shift = float(density_shift)
        self.color_activation = color_activation
        self.grid = nn.Parameter(torch.zeros(size, size, size, 1 + channels))
        self.log_scale = nn.Parameter(torch.zeros(()))
        background = torch.randn(channels, 4, 4, generator=generator) * color_std if learned_background else None
        self.background = None if background is None else nn.Parameter(background)
        with torch.no_grad():
            self.color.copy_(torch.randn(channels, size, size, size, generator=generator) * color_std)
            if init == "blob":
                r2 = voxel_centers(size).square().sum(-1)
                self.density.copy_(blob_density * torch.exp(-r2 / (2 * blob_radius**2))[None])

    @classmethod
    def from_state(cls, state: dict[str, Tensor], *, density_shift: float, color_activation: str) -> VoxelField:
        """The field of a saved state_dict, whatever its size. Raises SjcError if the tensors do not fit together."""
        grid, background = state.get("grid"), state.get("background")
        if grid is None or grid.ndim != 4 or len(set(grid.shape[:3])) != 1 or grid.shape[3] < 2:
            raise SjcError(
                "the saved field has no tensor 'grid' of shape [N,N,N,1+C]; it is not a field of this program"
            )
        field = cls(
            grid.shape[0],
            grid.shape[3] - 1,
            density_shift=density_shift,
            color_activation=color_activation,
            learned_background=background is not None,
        )
        try:
            field.load_state_dict(state)
        except RuntimeError as error:
            raise SjcError(f"the saved field does not fit: {' '.join(str(error).split())}") from error
        return field

    @staticmethod
    def split(packed: Tensor) -> tuple[Tensor, Tensor]:
        """Views of a packed [N,N,N,1+C] tensor, such as grid.grad: density [1,N,N,N] and color [C,N,N,N]."""
        parts = packed.permute(3, 0, 1, 2)
        return parts[:1], parts[1:]

    @property
    def density(self) -> Tensor:
        """[1,N,N,N] raw density, a view of `grid`."""
        return self.split(self.grid)[0]

    @property
    def color(self) -> Tensor:
        """[C,N,N,N] raw colour, a view of `grid`."""
        return self.split(self.grid)[1]

    @property
    def size(self) -> int:
        """N, voxels along an edge."""
        return self.grid.shape[0]

    @property
    def channels(self) -> int:
        """C, channels of a picture."""
        return self.grid.shape[3] - 1

    @property
    def voxel(self) -> float:
        """Edge of a voxel in world units."""
        return 2.0 / self.size

    def activated_density(self) -> Tensor:
        """[N,N,N] sigma >= 0 at the voxel centres, per unit length."""
        return F.softplus(self.log_scale.exp() * self.grid[..., 0] + self.density_shift)

    def activated_color(self) -> Tensor:
        """[C,N,N,N] colour at the voxel centres, in the channels of the pictures."""
        return activate_color(self.color, self.color_activation)

    @torch.no_grad()
    def resample(self, new_size: int) -> VoxelField:
        """Change the resolution in place, trilinearly between voxel centres (coarse to fine); returns self.

        `grid` becomes a new parameter, so optimisers over the old one must be built again.
        """
        if new_size < 2:
            raise SjcError(f"cannot resample a field to {new_size}^3 voxels; give at least 2")
        grid = self.grid.permute(3, 0, 1, 2)[None]
        grid = F.interpolate(grid, size=(new_size,) * 3, mode="trilinear", align_corners=False)
        self.grid = nn.Parameter(grid[0].permute(1, 2, 3, 0).contiguous(), requires_grad=self.grid.requires_grad)
        return self

    def background_color(self, directions: Tensor) -> Tensor:
        """[R,C] learned background seen along unit directions [R,3]. Raises SjcError if there is none."""
        if self.background is None:
            raise SjcError("this field has no learned background; composite over a constant color instead")
        return background_texture(self.background, directions)


def voxel_centers(size: int, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """[N,N,N,3] world positions of the voxel centres, indexed [x,y,z]."""
    axis = (torch.arange(size, dtype=dtype) + 0.5) * (2.0 / size) - 1.0
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)


def background_texture(texture: Tensor, directions: Tensor, *, released: bool = False) -> Tensor:
    """[R,C] bilinear lookup of a [C,h,w] texture on the sphere of unit directions [R,3] (z up).

    Polar angle along the columns, longitude along the rows (facts 1.2). `released` reproduces the authors' code: their
    pole is z of their y-up world, which is -y here, and the texture fades to zero beyond its border texels. Otherwise
    the pole is up, the poles are clamped and the longitude closes on itself, so that no seam is visible.
    """
    x, y, z = directions.unbind(-1)
    if released:
        y, z = z, -y
    u = torch.atan2(torch.sqrt(x * x + y * y), z) / math.pi * 2 - 1
    v = torch.atan2(y, x) / math.pi
    if not released:
        h = texture.shape[1]
        texture = F.pad(texture[None], (0, 0, 1, 1), mode="circular")[0]
        v = v * h / (h + 2)
    return F.grid_sample(
        texture[None],
        torch.stack([u, v], dim=-1)[None, :, None].to(texture.dtype),
        mode="bilinear",
        padding_mode="zeros" if released else "border",
        align_corners=False,
    )[0, :, :, 0].T
