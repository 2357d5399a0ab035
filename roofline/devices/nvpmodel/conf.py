"""Read an ``nvpmodel.conf`` line by line, losing nothing.

A file has ``< PARAM TYPE=... NAME=... >`` sections (names and the sysfs paths behind them),
``< POWER_MODEL ID=... NAME=... >`` sections (``PARAM ARG VALUE`` lines) and one ``< PM_CONFIG DEFAULT=... >``.
Boards carry files that people have edited, so what is not understood is kept and said, not refused; only what
makes the meaning of a mode unclear is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from roofline.errors import SpecError
from roofline.files import read_text
from roofline.findings import Finding

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_HEADER = re.compile(r"<\s*([A-Za-z_]\w*)((?:\s+\w+=[!-;?-~]+)*)\s*>", re.ASCII)
_ID = re.compile(r"\d{1,9}", re.ASCII)
_WHOLE = re.compile(r"-1|\d{1,18}", re.ASCII)
_MASK = re.compile(r"\d{1,18}|0[xX][0-9a-fA-F]{1,16}", re.ASCII)


class Setting(NamedTuple):
    """One ``PARAM ARG VALUE`` line of a power model."""

    line: int
    """Counted from 1."""
    param: str
    arg: str
    value: str

    @property
    def number(self) -> int:
        """The value as a whole number, decimal or hexadecimal; only asked for where `parse_conf` checked it."""
        return int(self.value, 16 if self.value[:2] in ("0x", "0X") else 10)


class Param(NamedTuple):
    """A ``PARAM`` section: a name, and what its arguments write to."""

    line: int
    type: str
    name: str
    args: Mapping[str, str]
    """Argument -> sysfs path."""


class PowerModel(NamedTuple):
    """A ``POWER_MODEL`` section."""

    line: int
    """Of its header."""
    last_line: int
    """Of its last setting, or of the header where there is none."""
    id: int
    name: str
    settings: tuple[Setting, ...]

    def find(self, param: str, arg: str) -> Setting | None:
        """Return the setting of an argument; of two the last, which is the one that holds."""
        found = [s for s in self.settings if (s.param, s.arg) == (param, arg)]
        return found[-1] if found else None


class Conf(NamedTuple):
    """A whole file."""

    where: str
    lines: tuple[str, ...]
    """Every line with its line end: joined they are the file."""
    params: Mapping[str, Param]
    models: tuple[PowerModel, ...]
    default: int | None
    """ID of the default mode."""
    default_line: int
    """Line of ``PM_CONFIG``, 0 where there is none."""
    findings: tuple[Finding, ...]
    """Lines and sections that were not understood."""


def read_conf(path: Path) -> Conf:
    """Read and parse a file.

    Raises:
        SpecError: it cannot be read, or is no text; see `parse_conf`.
    """
    return parse_conf(read_text(path, expected="an nvpmodel.conf", error=SpecError), str(path))


def parse_conf(text: str, where: str = "nvpmodel.conf") -> Conf:
    """Parse the content of a file; `where` names it in errors.

    Raises:
        SpecError: a malformed header, an ID or name that is missing or there twice, a value that is no number
            where a clock, a core or a mask wants one. The message names the line.
    """
    return _Parser(where).parse(text)


class _Parser:
    def __init__(self, where: str) -> None:
        self.where = where
        self.params: dict[str, tuple[int, str, dict[str, str]]] = {}
        self.models: dict[int, tuple[int, str, list[Setting]]] = {}
        self.default: int | None = None
        self.default_line = 0
        self.findings: list[Finding] = []
        self.section: tuple[str, str | int] = ("", "")

    def parse(self, text: str) -> Conf:
        lines = tuple(_LINE.findall(text))
        for number, line in enumerate(lines, 1):
            content = line.partition("#")[0].strip()
            if content.startswith("<"):
                self.header(number, content)
            elif content:
                self.entry(number, content)
        if self.default is not None and self.models and self.default not in self.models:
            known = ", ".join(map(str, self.models))
            raise self.error(
                self.default_line, f"DEFAULT={self.default} is the ID of no power model", f"one of {known}"
            )
        return Conf(
            where=self.where,
            lines=lines,
            params=MappingProxyType({n: Param(at, kind, n, MappingProxyType(args))
                                     for n, (at, kind, args) in self.params.items()}),
            models=tuple(PowerModel(at, rows[-1].line if rows else at, key, name, tuple(rows))
                         for key, (at, name, rows) in self.models.items()),
            default=self.default,
            default_line=self.default_line,
            findings=tuple(self.findings),
        )  # fmt: skip

    def error(self, line: int, what: str, expected: str = "") -> SpecError:
        return SpecError(what, where=f"{self.where}:{line}", expected=expected)

    def unknown(self, line: int, what: str) -> None:
        self.findings.append(Finding("nvpmodel-line", f"{self.where}:{line}", what))

    def header(self, line: int, content: str) -> None:
        match = _HEADER.fullmatch(content)
        if match is None:
            raise self.error(line, f"malformed header {content[:60]!r}", "such as < POWER_MODEL ID=0 NAME=MAXN >")
        pairs = [pair.partition("=")[::2] for pair in match[2].split()]
        fields = dict(pairs)
        if len(fields) < len(pairs):
            raise self.error(line, f"the header {content[:60]!r} says one thing twice")
        self.section = (match[1], "")
        if match[1] == "PARAM":
            name = self.field(line, fields, "NAME")
            if name in self.params:
                raise self.error(line, f"PARAM {name} is there twice, first in line {self.params[name][0]}")
            self.params[name] = (line, self.field(line, fields, "TYPE"), {})
            self.section = ("PARAM", name)
        elif match[1] == "POWER_MODEL":
            key = self.id(line, fields, "ID")
            if key in self.models:
                raise self.error(line, f"ID={key} is there twice, first in line {self.models[key][0]}")
            self.models[key] = (line, self.field(line, fields, "NAME"), [])
            self.section = ("POWER_MODEL", key)
        elif match[1] == "PM_CONFIG":
            if self.default_line:
                raise self.error(line, f"PM_CONFIG is there twice, first in line {self.default_line}")
            self.default, self.default_line = self.id(line, fields, "DEFAULT"), line
        else:
            self.unknown(line, f"a section {match[1]}, which sets no power mode")

    def field(self, line: int, fields: Mapping[str, str], key: str) -> str:
        if key not in fields:
            raise self.error(line, f"the header has no {key}", f"{key}=...")
        return fields[key]

    def id(self, line: int, fields: Mapping[str, str], key: str) -> int:
        text = self.field(line, fields, key)
        if not _ID.fullmatch(text):
            raise self.error(line, f"{key}={text} is no number", "a whole number such as 0")
        return int(text)

    def entry(self, line: int, content: str) -> None:
        kind, key = self.section
        words = content.split()
        if kind == "PARAM" and len(words) >= 2:
            self.params[str(key)][2][words[0]] = " ".join(words[1:])
        elif kind == "POWER_MODEL" and len(words) == 3:
            setting = Setting(line, *words)
            self.check(setting)
            rows = self.models[int(key)][2]
            if any((s.param, s.arg) == (setting.param, setting.arg) for s in rows):
                self.unknown(line, f"{setting.param} {setting.arg} is set twice in one mode: the last one holds")
            rows.append(setting)
        elif kind in ("", "PARAM", "POWER_MODEL", "PM_CONFIG"):
            self.unknown(line, f"not understood: {content[:60]!r}")

    def check(self, setting: Setting) -> None:
        """Refuse text where a clock, a core or a mask wants a number."""
        what = f"{setting.param} {setting.arg} {setting.value[:40]!r}"
        if setting.arg in ("MAX_FREQ", "MIN_FREQ"):
            if not _WHOLE.fullmatch(setting.value):
                raise self.error(setting.line, f"{what} is no clock", "a whole number, or -1 for no cap")
        elif setting.param == "CPU_ONLINE":
            if setting.value not in ("0", "1"):
                raise self.error(setting.line, f"{what} is neither on nor off", "0 or 1")
        elif setting.arg.endswith("_PG_MASK") and not _MASK.fullmatch(setting.value):
            raise self.error(setting.line, f"{what} is no mask", "a whole number")
