"""The buttons. Each calls one function of `api`, `backend_task` or the scene's rooms."""

from . import backend, jobs, lora, output, report, scene, variants, words

CLASSES = (
    *jobs.CLASSES,
    *scene.CLASSES,
    *output.CLASSES,
    *backend.CLASSES,
    *lora.CLASSES,
    *report.CLASSES,
    *words.CLASSES,
    *variants.CLASSES,
)
MENUS = scene.MENUS
