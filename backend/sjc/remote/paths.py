"""Which settings of a job name files that the other computer must have.  Standard library only."""

from __future__ import annotations

from .. import foreign, lora_text
from ..paths import user_path
from ..settings import Settings


def needed(settings: Settings) -> dict[str, str]:
    """{setting: path} of models, LoRAs and adapters that are files or folders; they are not sent.

    A model that is neither here counts as one of the hub, or of the other computer alone.
    """
    paths: dict[str, str] = {}
    if settings.model != "embedded" and foreign.kind(user_path(settings.model)):
        paths["model"] = str(user_path(settings.model).absolute())
    for number, lora in enumerate(lora_text.parse(settings.lora), 1):
        paths["lora" if number == 1 else f"lora {number}"] = str(lora.path)
    if settings.mv_adapter:
        paths["mv_adapter"] = str(user_path(settings.mv_adapter))
    return paths
