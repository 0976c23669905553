"""What went wrong, in the language of the interface: sentences come finished from rooms that know no Blender.

A sentence that is in a table as it stands is looked up; else it is held against the tables' sentences with gaps ("{} is
damaged."), and what stands in the gaps is kept. What fits none stays English.
"""

from __future__ import annotations

import functools
import re

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .translations import TABLES

_NUMBERED = re.compile(r"line (\d+): (.+)", re.DOTALL)  # a problem of one line of a batch
LEAST_LETTERS = 8  # of a sentence besides its gaps: "{}: {}" would fit anything


def translated(message: str) -> str:
    """A message of an error or a problem, in the interface's language."""
    locale = bpy.app.translations.locale
    wanted = locale in TABLES and bpy.context.preferences.view.use_translate_interface
    return translated_in(locale, message) if wanted else iface_(message)


def translated_in(locale: str, message: str) -> str:
    """As a whole if a table has it so, else line by line."""
    table = TABLES[locale]
    return table.get(message) or "\n".join(_line(line, locale) for line in message.split("\n"))


def _line(line: str, locale: str) -> str:
    table = TABLES[locale]
    if line in table:
        return table[line]
    if (numbered := _NUMBERED.fullmatch(line)) and (template := table.get("line {}: {}")):
        return template.format(numbered[1], _line(numbered[2], locale))
    for pattern, template in _patterns(locale):
        if match := pattern.fullmatch(line):
            return table[template].format(*(_gap(gap, locale) for gap in match.groups()))
    return line


def _gap(text: str, locale: str) -> str:
    """What stands in a gap stays, unless it is a whole sentence: the reason within a message."""
    return _line(text, locale) if text.endswith(".") and " " in text else text


@functools.cache
def _patterns(locale: str) -> list[tuple[re.Pattern[str], str]]:
    """The one with the most words first: it fits the least."""
    gapped = [t for t in TABLES[locale] if "{}" in t and len(t.replace("{}", "")) >= LEAST_LETTERS]
    gapped.sort(key=lambda t: len(t.replace("{}", "")), reverse=True)
    return [(re.compile("(.+)".join(map(re.escape, t.split("{}"))), re.DOTALL), t) for t in gapped]
