"""One check from the model's name to its report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..machine.devices import choose_device
from ..models import model_files
from ..models.loading import load_denoiser
from . import colours, cost, identity, noise
from .place import prepare, short_name
from .progress import Progress, Report
from .report import Findings, write
from .subject import Effort, Subject, levels, prompts_for, rows_of, sampled, sampler_rows

GUIDANCE, STRONG_GUIDANCE = 2.5, 7.5
"""Of models that are guided softly (ours, flows, distilled ones), and of all others, as their own pipelines take it."""

STRIP = 6  # noise levels whose pictures are shown


def check_model(
    model: str,
    folder: Path,
    report: Report = lambda _event: None,
    *,
    device: str = "auto",
    effort: Effort | None = None,
) -> dict[str, Any]:
    """Measure a model and write check.json and check.png into `folder`; returns what the JSON holds.

    model: embedded, a folder, or a hub id that is on this machine.  Raises SjcError for a model that cannot be loaded
    and for a folder that cannot be written; a model that loads and is wrong has checks that are not ok.
    """
    effort, progress = effort or Effort(), Progress(report)
    files = model_files.check(model_files.locate(model))
    prepare(folder)
    progress.status("load", f"loading the model {short_name(model)}")
    denoiser = load_denoiser(model, str(choose_device(device)), runtime="auto", tell=lambda _note: None)
    soft = bool(denoiser.card) or denoiser.distilled or denoiser.parameterization.is_flow
    prompts = prompts_for(denoiser)
    guidance = 1.0 if prompts == [""] else GUIDANCE if soft else STRONG_GUIDANCE
    subject = Subject(denoiser, prompts, guidance, progress.count)
    findings = Findings(identity.of_model(model, files, denoiser), identity.of_machine(denoiser), prompts, guidance)

    progress.status("sample", "sampling pictures of the model's own", sampler_rows(subject, effort))
    findings.pictures = sampled(subject, effort)
    _check_noise(subject, effort, findings, progress)
    _check_colours(subject, findings, progress)
    if effort.repeats:
        _measure_cost(subject, model, effort, findings, progress)
    progress.status("files", "reading the weights once for their digests")
    findings.model["sha256"] = identity.hashes(files)
    return write(findings, folder)


def _check_noise(subject: Subject, effort: Effort, findings: Findings, progress: Progress) -> None:
    """The checks of D: noise, schedule, words."""
    pictures = findings.pictures
    rows = len(pictures) * rows_of(subject.denoiser, 1.0)
    progress.status("noise", "measuring the error of D by noise level", rows * effort.levels)
    findings.curve = noise.curve(subject, pictures, effort)
    if findings.curve.worst > noise.WORST_RATIO:
        total = 2 * (sampler_rows(subject, effort) + rows * effort.levels)
        progress.status("predictions", "reading the network's output as other predictions", total)
        findings.readings = noise.other_readings(subject, effort)
    declared = str(findings.model["predicts"])
    findings.verdicts.append(noise.judge_noise(findings.curve, findings.readings, declared))
    progress.status("schedule", "comparing the noise levels with the schedule", 3 * rows * len(noise.BELIEFS))
    factor, findings.beliefs = noise.mismatch(subject, pictures)
    findings.verdicts.append(noise.judge_schedule(factor))
    if subject.reads:
        progress.status("words", "comparing the prompt with others", 4 * 3 * rows)
        findings.words = noise.words_effect(subject, pictures)
        findings.verdicts.append(noise.judge_words(*findings.words))


def _check_colours(subject: Subject, findings: Findings, progress: Progress) -> None:
    """The strip of denoised pictures, and of a latent model the checks of its autoencoder."""
    denoiser, own, autoencoder = subject.denoiser, findings.pictures, subject.denoiser.autoencoder
    sigmas = levels(denoiser.schedule, STRIP)
    rows = rows_of(denoiser, 1.0)
    counted = len(sigmas) * rows + (colours.strength_rows(2, rows) if autoencoder else 0)
    progress.status("colours", "comparing pictures and colours", counted)
    findings.strip = noise.denoised(subject, own[0], sigmas)
    findings.shown = {"own": own}
    if autoencoder is not None and own.isfinite().all():
        autoencoder.check_channels(denoiser.channels)
        findings.colours, findings.shown = colours.measure(subject, autoencoder, own)
        findings.strip = {sigma: autoencoder.decode(y[None])[0] for sigma, y in findings.strip.items()}
        findings.verdicts += colours.judge(findings.colours)


def _measure_cost(subject: Subject, model: str, effort: Effort, findings: Findings, progress: Progress) -> None:
    """Time and memory; of a model that reads no text, which can make no object, the call alone."""
    progress.status("time", "timing calls", cost.call_rows(subject, effort))
    findings.calls = cost.call_seconds(subject, effort)
    if subject.reads:
        progress.status("jobs", "timing the steps of the presets", len(cost.PRESETS))
        decode_s = cost.colours_seconds(subject, findings.pictures, effort)
        findings.costs = cost.costs(subject, model, findings.calls, decode_s, effort, progress)
    plan = subject.denoiser.placement.plan.sentence()
    findings.verdicts += cost.judge(findings.calls, findings.costs, plan)
