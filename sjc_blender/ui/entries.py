"""Collections of Blender's properties that are brought up to date by touching only what differs.

Filling a thousand entries anew takes Blender tens of milliseconds, too long for a turn of the timer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Values = tuple[Any, ...]


class Entries:
    """Copies rows into a collection of the window manager: one entry for each name, in order.

    properties: what an entry is given, in the order of a row's values.
    """

    def __init__(self, properties: Sequence[str]) -> None:
        self.properties = tuple(properties)
        self._copied: dict[str, tuple[Any, Values]] = {}  # by name: marks, and what its entry holds

    def arrange(self, collection: Any, names: Sequence[str]) -> None:
        """Give the collection entries of these names (each once), in this order; the others leave it."""
        present = list(collection.keys())
        if present == list(names):
            return
        wanted = set(names)
        for index in range(len(present) - 1, -1, -1):
            if present[index] not in wanted:
                collection.remove(index)
                self._copied.pop(present.pop(index), None)
        known = set(present)
        for index, name in enumerate(names):
            if index < len(present) and present[index] == name:
                continue
            if name in known:
                old = present.index(name, index)
                present.pop(old)
            else:
                old = len(present)
                collection.add().name = name
                self._copied.pop(name, None)
            if old != index:
                collection.move(old, index)
            present.insert(index, name)

    def copy(self, collection: Any, name: str, values: Values, marks: Any = None) -> None:
        """Bring one entry up to date.  marks: kept for the caller, who may see by them that there is nothing to do."""
        _, before = self._copied.get(name, (None, None))
        self._copied[name] = marks, values
        if before == values:
            return
        entry = collection[name]
        for index, (key, value) in enumerate(zip(self.properties, values, strict=True)):
            if before is None or before[index] != value:
                # A file name that is no UTF-8 must not stop the panel.
                setattr(entry, key, value.encode("utf-8", "replace").decode() if isinstance(value, str) else value)

    def marks(self, name: str) -> Any:
        """What `copy` was given with this entry; None for one that is new."""
        return self._copied.get(name, (None, None))[0]

    def forget(self) -> None:
        """The collection is gone, or may be another one."""
        self._copied.clear()
