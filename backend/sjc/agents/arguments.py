"""What a tool of the MCP server takes: declared once, as JSON schema for the client and as a check of what it sends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import SjcError
from ..foreign import Record

Kind = Literal["text", "whole", "number", "flag", "settings"]
_TYPES = {"text": "string", "whole": "integer", "number": "number", "flag": "boolean", "settings": "object"}


@dataclass(frozen=True)
class Argument:
    """One argument. default: None where the client must give it. low, high: of numbers, inclusive."""

    name: str
    kind: Kind
    text: str
    default: Any = None
    low: float = 0
    high: float = 1e9

    def schema(self) -> dict[str, Any]:
        """As JSON schema has it."""
        schema: dict[str, Any] = {"type": _TYPES[self.kind], "description": self.text}
        if self.kind in ("whole", "number"):
            schema |= {"minimum": self.low, "maximum": self.high}
        if self.kind != "settings" and self.default is not None:
            schema["default"] = self.default
        return schema

    def read(self, record: Record) -> Any:
        """The value that the client sent, or the default. Raises SjcError, one line."""
        if self.kind == "text":
            return record.text(self.name, self.default)
        if self.kind == "whole":
            return record.whole(self.name, int(self.low), int(self.high), self.default)
        if self.kind == "number":
            return record.number(self.name, self.low, self.high, self.default)
        if self.kind == "flag":
            return record.flag(self.name, self.default)
        return record.record(self.name).values


def schema_of(arguments: tuple[Argument, ...]) -> dict[str, Any]:
    """The JSON schema of a tool's arguments."""
    return {
        "type": "object",
        "properties": {argument.name: argument.schema() for argument in arguments},
        "required": [argument.name for argument in arguments if argument.default is None],
        "additionalProperties": False,
    }


def checked(tool: str, arguments: tuple[Argument, ...], given: Mapping[str, Any] | None) -> dict[str, Any]:
    """The arguments by name, each of its kind. Raises SjcError, one line, for a wrong, a missing and an unknown one."""
    record = Record(dict(given or {}), tool)
    names = [argument.name for argument in arguments]
    for name in record.values:
        if name not in names:
            raise SjcError(f'{tool}: "{name}" is unknown; there are {", ".join(names) or "no arguments"}.')
    return {argument.name: argument.read(record) for argument in arguments}
