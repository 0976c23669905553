"""What a profile says of a step, on events as CUDA's profiler names them, and on a real one of the processor."""

import pytest
import torch

from benchmarks import activity
from benchmarks.activity import MARK, Event

CPU = torch.device("cpu")


def host(name, start, end, parent=MARK):
    return Event(name, False, start, end, parent)


def device(name, start, end):
    return Event(name, True, start, end)


# Two steps of 1 ms on the host, as torch 2.11 records them on CUDA (names from such profiles).
EVENTS = [
    host("cudaDeviceSynchronize", 0, 50, ""),  # before the first step
    host(MARK, 100, 1100, ""),
    host("aten::mul", 110, 130),
    host("aten::empty", 112, 114, "aten::mul"),
    host("cudaLaunchKernel", 116, 125, "aten::mul"),
    host("cuLaunchKernel", 118, 124, "aten::mul"),  # the same launch, seen in the driver
    host("cuLaunchKernelEx", 130, 140),
    host("MulBackward0", 150, 180),
    host("aten::mul", 151, 160, "MulBackward0"),
    host("cudaLaunchKernelExC", 152, 155, "aten::mul"),
    host("aten::copy_", 200, 300),
    host("cudaMemcpyAsync", 210, 220, "aten::copy_"),
    host("cudaStreamSynchronize", 220, 290, "aten::copy_"),
    host("cudaMemcpy", 300, 310),
    host("cudaGraphLaunch", 400, 450),
    host("cudaStreamWaitEvent", 500, 501),  # streams wait for each other; the host does not
    host("cudaEventRecord", 501, 502),
    host(MARK, 1200, 2200, ""),
    host("cudaGraphLaunch", 1300, 1350),
    host("cudaDeviceSynchronize", 2300, 3300, ""),  # after the last
    device(MARK, 100, 5000),  # the mark is on the device's line, too
    device("void at::native::vectorized_elementwise_kernel<4, ...>", 300, 500),
    device("Memcpy HtoD (Pageable -> Device)", 450, 600),  # at the same time, on another stream
    device("Memcpy DtoD (Device -> Device)", 700, 800),
    device("Memset (Device)", 800, 810),
    device("march_cuda_kernel_forward", 2400, 2990),  # after the host's last step
]


def test_events_of_two_steps():
    assert activity.summary(EVENTS) == {
        "steps": 2,
        "operators": 1.5,
        "launches": 1.5,
        "graph_launches": 1.0,
        "synchronisations": 1.0,
        "device_busy_ms": 0.5,
        "kernels": 1.0,
        "copies": {"host to device": 0.5, "device to device": 0.5},
    }


def test_the_sentence():
    text = activity.lines("loop", activity.summary(EVENTS))
    assert "busy for 0.5 ms" in text
    assert "1.5 launches outside graphs and 1 of graphs" in text
    assert "waits 1 times; copies: 0.5 host to device, 0.5 device to device." in text


def test_what_has_no_step_is_refused():
    with pytest.raises(ValueError, match="sjc step"):
        activity.summary([host("aten::mul", 0, 1)])


@pytest.mark.parametrize(
    ("name", "counted"),
    [
        ("cudaLaunchCooperativeKernel", "launches"),
        ("hipLaunchKernel", "launches"),
        ("hipExtModuleLaunchKernel", "launches"),
        ("hipGraphLaunch", "graph_launches"),
        ("cuStreamSynchronize", "synchronisations"),
        ("cudaEventSynchronize", "synchronisations"),
        ("cuMemcpyHtoD_v2", "synchronisations"),
        ("cudaMemcpyAsync", None),
        ("cuMemcpyHtoDAsync_v2", None),
        ("cudaLaunchHostFunc", None),
        ("cudaStreamIsCapturing", None),
    ],
)
def test_names_of_the_runtime(name, counted):
    figures = activity.summary([host(MARK, 0, 10, ""), host(name, 1, 2)])
    ones = {key for key in ("launches", "graph_launches", "synchronisations") if figures[key]}
    assert ones == ({counted} if counted else set())


def test_a_real_profile_of_the_processor():
    def step():
        return (torch.ones(4) * 2 + 1).sum()

    figures = activity.of_steps(step, CPU, 3)
    assert (figures["steps"], figures["operators"]) == (3, 4.0)
    assert (figures["launches"], figures["synchronisations"]) == (0, 0)
    assert figures["device_busy_ms"] is figures["kernels"] is figures["copies"] is None
    assert "4 operators" in activity.lines("sum", figures)


def test_host_time_by_function():
    from sjc.field import cameras

    rows = activity.host_functions(lambda: cameras.look_at(30.0, 25.0, 1.5, 60.0), CPU, 4)
    names = {row["function"].split(" ")[-1]: row for row in rows["with_calls"]}
    assert names["look_at"]["calls"] == 1
    assert names["look_at"]["ms"] > 0
    assert names["look_at"]["function"].startswith("sjc/field/cameras.py:")
    assert len(rows["own"]) <= activity.FUNCTIONS
    assert [row["ms"] for row in rows["own"]] == sorted((row["ms"] for row in rows["own"]), reverse=True)
