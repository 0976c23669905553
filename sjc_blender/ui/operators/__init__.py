"""The buttons. Each calls one function of `api`, `backend_task` or the scene's rooms."""

from . import (
    backend,
    handover,
    jobs,
    lora,
    object_menu,
    output,
    pictures,
    report,
    results,
    scene,
    texture,
    variants,
    words,
)

CLASSES = (
    *jobs.CLASSES,
    *scene.CLASSES,
    *output.CLASSES,
    *results.CLASSES,
    *handover.CLASSES,
    *pictures.CLASSES,
    *backend.CLASSES,
    *lora.CLASSES,
    *report.CLASSES,
    *words.CLASSES,
    *variants.CLASSES,
    *texture.CLASSES,
    *object_menu.CLASSES,
)
MENUS = (*scene.MENUS, *results.MENUS, *handover.MENUS, *texture.MENUS, *object_menu.MENUS)
