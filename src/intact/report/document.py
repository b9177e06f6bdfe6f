"""A report as JSON: keys are the fields of `contents`, in their order (doc/report.md)."""

import json
import math
from dataclasses import fields, is_dataclass
from typing import TypeAlias

from intact.report.contents import Report

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

SCHEMA = "intact.report"
VERSION = 1  # raised when a key changes its meaning or goes; new keys may come without


def document(report: Report) -> dict[str, Json]:
    """The whole report; numbers have six significant digits, infinities are null."""
    contents = _json(report)
    assert isinstance(contents, dict)
    return {"schema": SCHEMA, "version": VERSION, **contents}


def text(report: Report) -> str:
    """The document on one line."""
    return json.dumps(document(report), separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def script_text(json_text: str) -> str:
    """JSON that may stand inside of an HTML script element: no name ends it."""
    return json_text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _json(value: object) -> Json:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return float(f"{value:.6g}") if math.isfinite(value) else None
        case tuple():
            return [_json(entry) for entry in value]
        case _:
            assert is_dataclass(value)
            return {field.name: _json(getattr(value, field.name)) for field in fields(value)}
