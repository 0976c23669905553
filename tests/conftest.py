"""Ground of every test run: quiet threads, no network, no display, and no silent skips where CI runs."""

import os
from pathlib import Path

import pytest

# Before torch, numpy, matplotlib or a model library is imported by any test.
os.environ.setdefault("OMP_NUM_THREADS", str(min(2, os.cpu_count() or 1)))
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

ALLOWED_SKIPS = Path(__file__).with_name("allowed_skips.txt")


def allowed_skips():
    """Return the node ids that may be skipped in CI, as listed."""
    lines = (line.split("#")[0].strip() for line in ALLOWED_SKIPS.read_text("utf-8").splitlines())
    return {line for line in lines if line}


def in_ci():
    """Whether skips count as failures."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def refuse_skip(report):
    """Turn a skip that is not listed into a failure (an expected failure, xfail, is no skip)."""
    allowed = report.nodeid.split("[")[0] in allowed_skips()
    if report.skipped and in_ci() and not allowed and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped, which tests/allowed_skips.txt does not allow: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Apply the rule to tests."""
    del item, call
    return refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """Apply the rule to whole modules (importorskip)."""
    del collector
    return refuse_skip((yield))


def pytest_configure(config):
    """Let property tests run as long as a loaded machine needs, and the same way every time in CI."""
    del config
    try:
        from hypothesis import settings
    except ImportError:
        return
    settings.register_profile("house", deadline=None, derandomize=in_ci(), max_examples=50)
    settings.load_profile("house")


@pytest.fixture
def stage_folder():
    """The staged package, as build.py makes it."""
    return Path(__file__).resolve().parents[1] / "build" / "stage" / "sjc_blender"
