"""What stands in for a CUDA graph and for a device without a host beside it, on any machine.

`Tape` records the operations of a piece of work and repeats them, as a graph does: on the same memory, with the numbers
that the host had when they were recorded.  `NoHost` refuses what would make the host wait for a device, or would take
along a number of the host's unnoticed.
"""

import math

import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sjc.field.grid import activate_color
from sjc.field.render_reference import Rendered, lattice, trilinear
from sjc.machine.capture import Recorded

CAPTURABLE = ["cuda", "cpu", "meta"]


def tensors(tree):
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]


def written(func, args, kwargs):
    """The tensors that an operation writes to."""
    given = [*zip(func._schema.arguments, args, strict=False)]
    given += [(argument, kwargs[argument.name]) for argument in func._schema.arguments if argument.name in kwargs]
    return tensors([value for argument, value in given if argument.alias_info and argument.alias_info.is_write])


class Recording(TorchDispatchMode):
    """The operations done inside; `undo` takes back what they wrote to memory from outside."""

    def __init__(self):
        super().__init__()
        self.calls, self.before, self.own = [], [], set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        for tensor in written(func, args, kwargs):
            if (place := tensor.untyped_storage()._cdata) not in self.own:
                self.own.add(place)
                self.before.append((tensor, tensor.clone()))
        output = func(*args, **kwargs)
        if not any(returned.alias_info for returned in func._schema.returns):
            self.own |= {tensor.untyped_storage()._cdata for tensor in tensors(output)}
        self.calls.append((func, args, kwargs, output))
        return output

    @torch.no_grad()
    def undo(self):
        for tensor, before in self.before:
            tensor.copy_(before)

    @torch.no_grad()
    def replay(self):
        for func, args, kwargs, output in self.calls:
            if written(func, args, kwargs):
                func(*args, **kwargs)
            elif not any(returned.alias_info for returned in func._schema.returns):  # a view needs nothing
                for own, fresh in zip(tensors(output), tensors(func(*args, **kwargs)), strict=True):
                    own.copy_(fresh)


class Tape:
    """A `machine.capture.Recorder` without a GPU; `made` counts what it captured."""

    def __init__(self):
        self.made = 0

    def aside(self, work):
        return work()

    def capture(self, work):
        self.made += 1
        recording = Recording()
        with recording:
            output = work()
        recording.undo()
        return Recorded(recording.replay, output)


class Refusing(Tape):
    """As where nothing can be captured."""

    def capture(self, work):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")


class NoHost(TorchDispatchMode):
    """Refuses operations that read numbers on the host, and every tensor that does not lie on `device`."""

    READ = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "masked_select", "unique", "bincount")

    def __init__(self, device):
        super().__init__()
        self.device, self.count = device, 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += 1
        name = func._schema.name.partition("::")[2]
        if name.startswith(self.READ):
            raise AssertionError(f"{name} reads numbers on the host")
        output = func(*args, **(kwargs or {}))
        elsewhere = {t.device.type for t in tensors((args, kwargs, output))} - {self.device}
        if elsewhere:
            raise AssertionError(f"{name} works with a tensor on {elsewhere}")
        return output


def masked_render(field, origins, directions, *, step, beta=10.0, weight_threshold=1e-4):
    """The reference renderer without a look at any number: every ray has as many samples as the longest could have."""
    t_min, counts = lattice(origins, directions, step)
    k = torch.arange(math.ceil(2 * math.sqrt(3) / step) + 1, device=t_min.device)
    t = t_min[:, None] + step * k
    inside = k < counts[:, None]
    points = origins[:, None] + t[..., None] * directions[:, None]
    values = trilinear(field.grid, points.reshape(-1, 3)).view(*t.shape, -1)
    sigma = F.softplus(field.log_scale.exp() * values[..., 0] + field.density_shift) * inside
    optical = sigma * step
    w = -torch.expm1(-optical) * torch.exp(-(torch.cumsum(optical, dim=1) - optical))
    c = activate_color(values[..., 1:], field.color_activation) * (inside & (w > weight_threshold))[..., None]
    return Rendered(
        (w[..., None] * c).sum(1), w.sum(1), (w * t).sum(1), torch.log1p(beta * w).sum(1), counts.max().clamp(min=0)
    )
