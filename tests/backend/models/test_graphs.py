"""A network replayed from recordings, by a recorder that stands in for CUDA's: same answers, one recording a shape."""

import torch

from sjc.machine.capture import Recorded
from sjc.models.graphs import MAX_GRAPHS, Replayed, plain, replayed
from sjc.models.memory_plan import Plan
from sjc.models.placement import Placement
from sjc.models.text_encoders import Condition


def network(x, t, condition, guidance):
    pooled = 0 if condition.pooled is None else condition.pooled.sum(1).view(-1, 1, 1, 1)
    return guidance * x + t.view(-1, 1, 1, 1) + condition.states.sum((1, 2)).view(-1, 1, 1, 1) + pooled


class Recorder:
    """As a graph does: later replays read the same input tensors and write over the same output."""

    def __init__(self):
        self.made = 0

    def __call__(self, call):
        self.made += 1
        output = call()
        return Recorded(lambda: output.copy_(call()), output)


def inputs(b, seed, pooled=True):
    g = torch.Generator().manual_seed(seed)
    condition = Condition(torch.randn(b, 3, 2, generator=g), torch.randn(b, 5, generator=g) if pooled else None)
    return torch.randn(b, 4, 8, 8, generator=g), torch.randint(0, 1000, (b,), generator=g), condition


def test_it_says_what_the_network_says():
    recorder = Recorder()
    made = Replayed(network, record=recorder)
    pairs = []
    for b, seed, pooled, guidance in ((2, 0, True, 1.0), (2, 1, True, 1.0), (1, 2, True, 1.0), (2, 3, False, 1.0),
                                      (2, 4, True, 3.5), (2, 5, True, 1.0)):  # fmt: skip
        given = inputs(b, seed, pooled)
        pairs.append((made(*given, guidance), network(*given, guidance)))
    for output, expected in pairs:  # later replays left the earlier answers alone
        torch.testing.assert_close(output, expected, rtol=0, atol=0)
    assert recorder.made == 4, "two shapes, with and without the pooled vector, and another guidance"


def test_recordings_are_few():
    recorder = Recorder()
    made = Replayed(network, record=recorder)
    for b in range(1, MAX_GRAPHS + 3):
        given = inputs(b, b)
        torch.testing.assert_close(made(*given, 2.0), network(*given, 2.0))
    assert recorder.made == MAX_GRAPHS


def test_what_cannot_be_captured_is_called():
    notes = []

    def refuse(_call):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    made = Replayed(network, notes.append, refuse)
    for seed in range(3):
        given = inputs(2, seed)
        torch.testing.assert_close(made(*given, 2.0), network(*given, 2.0))
    assert notes == ["The network runs without a CUDA graph: operation not permitted when stream is capturing"]


def test_only_on_cuda_and_with_all_layers_there():
    for kind, in_pieces, expected in (("cuda", False, True), ("cuda", True, False), ("cpu", False, False)):
        placement = Placement(torch.device(kind), Plan(kind, "float16", 0, 0, 0, None))
        placement.in_pieces = in_pieces
        made = replayed(network, placement)
        assert isinstance(made, Replayed) == expected
        assert plain(made) is network
