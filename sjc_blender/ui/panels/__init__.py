"""The panels of the sidebar's tab SJC."""

from . import backend, main, settings, words

# Sub-panels stand in the order of their registration.
CLASSES = (
    *words.CLASSES,
    *main.CLASSES,
    settings.SJC_PT_start,
    settings.SJC_PT_settings,
    settings.SJC_PT_advanced,
    main.SJC_PT_queue,
    settings.SJC_PT_output,
    main.SJC_PT_history,
    backend.SJC_PT_backend,
)
