from .korean import KOREAN
import bpy
from .. import __package__ as package


def register() -> None:
    bpy.app.translations.register(
        package,
        {
            "ko_KR": {
                (context, text): words for text, words in KOREAN.items() for context in ("*", "Operator")
            }
        },
    )


def unregister() -> None:
    bpy.app.translations.unregister(package)
