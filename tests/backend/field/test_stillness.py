"""A solid at rest: not before it has stayed as it is for a fifth of the run, whatever slow or late change there is."""

import itertools

import torch

from sjc.field.grid import VoxelField, voxel_centers
from sjc.field.stillness import Stillness, change, solid

STEPS = 100  # a look every 2 steps, at rest after 20


def ball(radius, size=16):
    field = VoxelField(size, 3, density_shift=-3.0)
    with torch.no_grad():
        inside = voxel_centers(size).norm(dim=-1) < radius
        field.density.copy_(torch.where(inside, 100.0, -10.0)[None])
    return field


def first_rest(radius_at, begin=0, tolerance=0.01):
    still = Stillness(tolerance, STEPS, begin)
    for step in range(1, STEPS + 1):
        still.look(ball(radius_at(step)), step)
        if still.rests(step):
            return step
    return None


def test_it_rests_a_fifth_of_the_run_after_the_last_change():
    assert first_rest(lambda _step: 0.6) == 22
    assert first_rest(lambda step: 0.6 if step < 41 else 0.7) == 22
    assert first_rest(lambda step: min(step, 40) / 60) == 60


def test_a_plateau_that_is_shorter_is_none():
    assert first_rest(lambda step: 0.5 + 0.1 * (step // 19)) is None


def test_slow_growth_adds_up():
    """From one look to the next next to nothing changes, but over a fifth of the run it does."""
    growing = [solid(ball(0.5 + 0.3 * step / STEPS, 32)) for step in range(0, STEPS, 2)]
    assert max(change(a, b) for a, b in itertools.pairwise(growing)) < 0.1
    still = Stillness(0.1, STEPS)
    for step in range(2, STEPS + 1, 2):
        still.look(ball(0.5 + 0.3 * step / STEPS, 32), step)
        assert not still.rests(step)


def test_nothing_counts_before_the_last_planned_change():
    assert first_rest(lambda _step: 0.6, begin=50) == 70


def test_nothing_at_all_is_no_result():
    assert first_rest(lambda _step: 0.0) is None


def test_change():
    a = torch.zeros(4, 4, 4, dtype=torch.bool)
    b = a.clone()
    a[0], b[0], b[1] = True, True, True
    assert change(a, b) == 0.5
    assert change(a, a) == 0
    assert change(a, torch.zeros(2, 2, 2, dtype=torch.bool)) == 1


def test_what_a_shell_encloses_is_solid():
    full, hollow = ball(0.7), ball(0.7)
    with torch.no_grad():
        hollow.density[0, 7:9, 7:9, 7:9] = -10.0
    assert torch.equal(solid(full), solid(hollow))
    assert bool(solid(full)[8, 8, 8])
    assert not bool(solid(full)[0, 8, 8])


def test_it_goes_on_where_it_stood():
    one = Stillness(0.01, STEPS)
    for step in range(1, 16):
        one.look(ball(0.6), step)
    two = Stillness(0.01, STEPS)
    two.load(one.state())
    assert two.since == one.since == 2
    assert torch.equal(two.solid, one.solid)
    assert Stillness(0.01, STEPS).state() == {}
