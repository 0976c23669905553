"""What a run starts from in place of fog, what pulls it there, and what of it may change."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .grid import VoxelField

THICKNESS = 0.1  # world units, of a box 2 wide: how much of a solid is opaque, for the occupancy prior
LOOSE, CLOSE = 0.3, 0.03  # world units from the start's surface within which the prior is lenient
PRIOR_WEIGHT = 1.0
LOW, HIGH = 4.0, 12.0  # raw density inside of a start that is a loose hint, and of one that is kept


@dataclass(frozen=True)
class Start:
    """grid [N,N,N,1+C]: the field's raw density and colour to begin with; NaN where the run's own beginning stays.

    occupancy [N,N,N] in 0..1: what the prior pulls the density towards, None for no prior; distance [N,N,N]: from its
    surface, world units. changeable [N,N,N] bool: where the field may change; None for everywhere.
    """

    grid: Tensor
    occupancy: Tensor | None = None
    distance: Tensor | None = None
    changeable: Tensor | None = None

    def to(self, device: torch.device) -> Start:
        """The same on a device."""
        moved = (None if part is None else part.to(device) for part in (self.occupancy, self.distance, self.changeable))
        return Start(self.grid.to(device), *moved)

    @torch.no_grad()
    def begin(self, field: VoxelField) -> None:
        """Bring a new field to the start. A field of another size is brought to the start's."""
        if field.size != len(self.grid):
            field.resample(len(self.grid))
        field.grid.copy_(torch.where(self.grid.isnan(), field.grid, self.grid))

    @torch.no_grad()
    def hold(self, field: VoxelField) -> None:
        """Take the gradients away from all that must not change.

        A gradient of zero leaves Adam's and AdaMax's moments zero and the value as it is, to the bit. The scale of all
        densities is of every voxel, so it gets none either.
        """
        if self.changeable is None:
            return
        if field.grid.grad is not None:
            field.grid.grad.masked_fill_(~self.changeable[..., None], 0.0)
        if field.log_scale.grad is not None:
            field.log_scale.grad.zero_()


def is_block_out(start: str) -> bool:
    """Whether the setting `start` names a mesh."""
    return start.lower().endswith(".glb")


def raw_density(occupancy: Tensor, strength: float) -> Tensor:
    """[N,N,N] of occupancy 0..1: raw density, the more the closer the start shall be kept."""
    return (LOW + (HIGH - LOW) * strength) * occupancy


def raw_color(color: Tensor) -> Tensor:
    """[N,N,N,3] sRGB in 0..1 as raw colours of a field whose activation is tanh_sigmoid."""
    return 2 * torch.atanh((2 * color - 1).clamp(-0.95, 0.95))


def softened(solid: Tensor) -> Tensor:
    """[N,N,N] bool -> occupancy in 0..1, a voxel soft at the surface."""
    padded = F.pad(solid.float()[None, None], (1,) * 6, mode="replicate")
    return F.avg_pool3d(padded, 3, 1)[0, 0]


def surface_distance(solid: Tensor) -> Tensor:
    """[N,N,N] distance of voxel centres from the solid's surface, world units, both ways."""
    from scipy.ndimage import distance_transform_edt

    inside = solid.cpu().numpy()
    cells = distance_transform_edt(inside) + distance_transform_edt(~inside) - 0.5
    return torch.from_numpy(cells).float() * (2.0 / len(solid))


def leniency(strength: float) -> float:
    """sigma_S of the prior in world units: how far from the start's surface the object may lie."""
    return LOOSE + (CLOSE - LOOSE) * strength


def prior_weight(progress: float, strength: float) -> float:
    """Of the occupancy prior: falls in a line to nothing, and is nothing for a loose hint."""
    return PRIOR_WEIGHT * strength * (1 - progress)


def occupancy_prior(density: Tensor, occupancy: Tensor, distance: Tensor, lenient: float) -> Tensor:
    """[] mean over voxels of CE(alpha, occupancy) (1 - exp(-d^2 / 2 sigma_S^2)).

    The Sketch-Shape loss of Latent-NeRF (Metzer et al. 2022, arXiv 2211.07600, Sec. 3.3) over all voxels, with alpha =
    1 - exp(-sigma l) the opacity of `density` sigma [N,N,N] over a length l = THICKNESS. Near the surface it is
    lenient: d is `distance` [N,N,N], sigma_S `lenient`, both in world units.
    """
    depth = (density * THICKNESS).clamp(min=1e-6)
    # -log(1 - alpha) is the optical depth itself.
    entropy = (1 - occupancy) * depth - occupancy * torch.log(-torch.expm1(-depth))
    return (entropy * (1 - torch.exp(-distance.square() / (2 * lenient**2)))).mean()
