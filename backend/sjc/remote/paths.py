"""Which settings of a job name files that the other computer must have.  Standard library only."""

from __future__ import annotations

from .. import foreign, lora_text
from ..paths import OWN_MODELS, user_path
from ..settings import Settings


def needed(settings: Settings) -> dict[str, str]:
    """{setting: path} of models, LoRAs and adapters that are files or folders; they are not sent.

    A model that does not lie here counts as one of the hub, or as one that only the other computer has.
    """
    paths: dict[str, str] = {}
    for setting, given in (("model", settings.model), ("control", settings.control)):
        if given not in ("", *OWN_MODELS) and foreign.kind(user_path(given)):
            paths[setting] = str(user_path(given).absolute())
    for number, lora in enumerate(lora_text.parse(settings.lora), 1):
        paths["lora" if number == 1 else f"lora {number}"] = str(lora.path)
    if settings.mv_adapter:
        paths["mv_adapter"] = str(user_path(settings.mv_adapter))
    return paths
