"""The buttons. Each calls one function of `api`, `backend_task` or the scene's rooms."""

from . import backend, jobs, lora, output, scene

CLASSES = (*jobs.CLASSES, *scene.CLASSES, *output.CLASSES, *backend.CLASSES, *lora.CLASSES)
MENUS = scene.MENUS
