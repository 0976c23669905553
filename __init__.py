"""The source as an extension of Blender: GitHub's "Download ZIP" installs as it is (Install from Disk).

Blender finds the manifest beside this file and imports this folder as the extension. The extension's own package is
sjc_blender/, with backend/ inside it in the built zip; here both are looked up as parts of this one package, under the
same names. `python3 build.py zip` makes the zip without tests and documentation.
"""

from pathlib import Path

__path__ = [str(Path(__file__).parent / "sjc_blender"), str(Path(__file__).parent)]


def register() -> None:
    """Switch the add-on on. Called by Blender."""
    from . import registration

    registration.register()


def unregister() -> None:
    """Switch the add-on off. Called by Blender."""
    from . import registration

    registration.unregister()
