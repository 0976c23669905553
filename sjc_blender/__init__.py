"""SJC Text to 3D: type a sentence, watch it grow in the viewport, keep the mesh.

Nothing heavy is imported here: Blender reads this file of every extension at each start, and plain Python may import
the rooms that need no Blender (queue, worker, install, models). What is registered stands in `registration`.
"""


def register() -> None:
    """Switch the add-on on. Called by Blender."""
    from . import registration

    registration.register()


def unregister() -> None:
    """Switch the add-on off; nothing of it stays behind in Blender. Called by Blender."""
    from . import registration

    registration.unregister()
