"""The changes a mutant may make, read off the compiler's syntax tree.

| operator | change |
|---|---|
| AOR | `+ - * / %` become each other, `**` becomes `*` |
| BOR | `& | ^` become each other, `<<` becomes `>>` and back |
| ROR | a comparison becomes each other one its type has |
| COR | `&&` becomes `||` and back, or either operand alone |
| CON | the condition of an `if` becomes true, false, its negation; that of a loop becomes false |
| TER | a conditional expression becomes either branch |
| UOR | `!`, `~`, `-` are dropped, `++` becomes `--` and back |
| ASR | a compound assignment becomes another one or a plain one |
| SDL | a statement is dropped: a call, an assignment, an event, a revert, a jump |
| VIR | a variable loses its initial value |
| RVR | a returned value becomes zero, a returned bool its negation |
| LIR | a literal becomes 0 or its neighbours, a bool the other one, a text another text |
| ECR | a member of an enum becomes its neighbours |
| ARS | two neighbouring arguments of one type change places |
| MOD | a modifier is dropped from a function |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from scripts.prove.mutants.model import Mutant, Span, numbered
from scripts.prove.mutants.yul import yul_changes

Node = Mapping[str, Any]
Change = tuple[str, Span, str]
"""Operator, what is replaced, by what."""

_ARITHMETIC = ("+", "-", "*", "/", "%")
_BITWISE = ("&", "|", "^")
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_SWAPPED = {"<<": ">>", ">>": "<<", "&&": "||", "||": "&&"}
_COMPOUND = ("+=", "-=", "*=", "/=", "%=")
_COMPOUND_BITS = ("&=", "|=", "^=")
_ORDERED = re.compile(r"^(u?int\d|int_const|enum )")
_WHOLE_STATEMENTS = ("ExpressionStatement", "EmitStatement", "RevertStatement", "Continue", "Break")
_LOOPS = ("ForStatement", "WhileStatement", "DoWhileStatement")
_DEFINITIONS = ("FunctionDefinition", "ModifierDefinition", "VariableDeclaration")
_NUMBER = re.compile(r"^(0[xX][0-9a-fA-F_]+|[0-9_]+)(\s.*)?$", re.DOTALL)


def mutants_of(file: str, source: bytes, tree: Node, enums: Mapping[str, tuple[str, ...]]) -> tuple[Mutant, ...]:
    """Return every mutant of one file; `enums` are the members of all enums by their names."""
    unit = _Unit(file, source, enums)
    found: list[Mutant] = []
    for node in tree["nodes"]:
        if node["nodeType"] == "ContractDefinition" and node["contractKind"] != "interface":
            for member in node["nodes"]:
                if member["nodeType"] in _DEFINITIONS:
                    name = f"{node['name']}.{member.get('name') or member.get('kind')}"
                    found += _walk(_Place(unit, member, _Scope(name, span_of(member), member)))
    return numbered(found)


def span_of(node: Node) -> Span:
    """Return where a node is in its file."""
    start, length, _ = (int(part) for part in node["src"].split(":"))
    return start, start + length


@dataclass(frozen=True, slots=True)
class _Unit:
    """A file, and the members of all enums."""

    file: str
    source: bytes
    enums: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Scope:
    """What is around a node: its definition, the innermost statement, the condition of the innermost loop."""

    name: str
    statement: Span
    definition: Node
    loop: Span | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """A node in its file."""

    unit: _Unit
    node: Node
    scope: _Scope

    @property
    def span(self) -> Span:
        """Where the node is."""
        return span_of(self.node)

    def text(self, node: Node) -> str:
        """Return the source text of a node."""
        start, end = span_of(node)
        return self.unit.source[start:end].decode()

    def between(self, left: Node, right: Node) -> str:
        """Return the text between two nodes."""
        return self.unit.source[span_of(left)[1] : span_of(right)[0]].decode()

    def with_operator(self, left: Node, operator: str, other: str, right: Node) -> str:
        """Return the text of two operands with another operator."""
        return self.text(left) + self.between(left, right).replace(operator, other, 1) + self.text(right)

    def to_semicolon(self) -> Span:
        """Return the place of a statement with its semicolon."""
        start, end = self.span
        return start, self.unit.source.index(b";", end - 1) + 1  # the span of a bare `return` has it already

    def mutant(self, operator: str, span: Span, text: str) -> Mutant:
        """Return the mutant with a change."""
        start, end = span
        return Mutant(
            file=self.unit.file,
            function=self.scope.name,
            operator=operator,
            span=span,
            statement=self.scope.statement,
            line=self.unit.source.count(b"\n", 0, start) + 1,
            original=self.unit.source[start:end].decode(),
            replacement=text,
        )


def _walk(place: _Place) -> Iterator[Mutant]:
    """Yield the mutants of a node and of everything in it."""
    node, kind = place.node, place.node["nodeType"]
    if kind.endswith("Statement") or kind in {"Return", "Continue", "Break", "InlineAssembly"}:
        condition = node.get("condition") if kind in _LOOPS else None
        scope = replace(place.scope, statement=place.span, loop=span_of(condition) if condition else None)
        place = replace(place, scope=scope)
    if kind in _CHANGES:
        for operator, span, text in _CHANGES[kind](place):
            yield place.mutant(operator, span, text)
    if kind == "InlineAssembly":
        for span, text in yul_changes(node["AST"], place.unit.source):
            yield place.mutant("YUL", span, text)
        return
    for child in _children(node):
        yield from _walk(replace(place, node=child))


def _children(node: Node) -> Iterator[Node]:
    for name, value in node.items():
        if name in {"typeName", "documentation", "overrides", "parameters", "returnParameters"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, dict) and "nodeType" in child:
                yield child


def _binary(at: _Place) -> Iterator[Change]:
    operator, left, right = at.node["operator"], at.node["leftExpression"], at.node["rightExpression"]
    kind, others = _alternatives(operator, at.node["commonType"]["typeString"])
    if _asks_for_zero(at.node):
        others = ("==" if operator in {"!=", ">"} else "!=", ">=", "<")
    for other in others:
        if at.span == at.scope.loop and (operator, other) == ("<", "!="):
            continue  # counting up, these are the same
        yield kind, at.span, at.with_operator(left, operator, other, right)
    if operator in {"&&", "||"}:
        yield kind, at.span, f"({at.text(left)})"
        yield kind, at.span, f"({at.text(right)})"


def _asks_for_zero(node: Node) -> bool:
    """True for `x == 0`, `x != 0` and `x > 0` of an unsigned number; other comparisons are these, true, or false."""
    return (
        node.get("operator") in {"==", "!=", ">"}
        and node["commonType"]["typeString"].startswith("uint")
        and node["rightExpression"].get("value") == "0"
    )


def _alternatives(operator: str, kind: str) -> tuple[str, tuple[str, ...]]:
    if operator in _COMPARISONS:
        family = _COMPARISONS if _ORDERED.match(kind) else ("==", "!=")
        return "ROR", tuple(other for other in family if other != operator)
    if operator in _ARITHMETIC:
        return "AOR", tuple(other for other in _ARITHMETIC if other != operator)
    if operator == "**":
        return "AOR", ("*",)
    if operator in _BITWISE:
        return "BOR", tuple(other for other in _BITWISE if other != operator)
    return ("COR" if operator in {"&&", "||"} else "BOR"), (_SWAPPED[operator],)


def _unary(at: _Place) -> Iterator[Change]:
    operator, operand = at.node["operator"], at.text(at.node["subExpression"])
    if operator in {"!", "~", "-"}:
        yield "UOR", at.span, operand
    elif operator in {"++", "--"}:
        other = "--" if operator == "++" else "++"
        yield "UOR", at.span, other + operand if at.node["prefix"] else operand + other


def _if(at: _Place) -> Iterator[Change]:
    condition = at.node["condition"]
    if not _asks_for_zero(condition):
        yield "CON", span_of(condition), "true"
        yield "CON", span_of(condition), "false"
    if condition.get("operator") not in (*_COMPARISONS, "!"):  # these are negated by their own operators
        yield "CON", span_of(condition), f"!({at.text(condition)})"


def _loop(at: _Place) -> Iterator[Change]:
    if at.node.get("condition") is not None:
        yield "CON", span_of(at.node["condition"]), "false"


def _ternary(at: _Place) -> Iterator[Change]:
    for branch in ("trueExpression", "falseExpression"):
        yield "TER", at.span, f"({at.text(at.node[branch])})"


def _assignment(at: _Place) -> Iterator[Change]:
    operator, left, right = at.node["operator"], at.node["leftHandSide"], at.node["rightHandSide"]
    if operator == "=":
        return
    family = _COMPOUND if operator in _COMPOUND else _COMPOUND_BITS
    for other in (*family, "="):
        yield "ASR", at.span, at.with_operator(left, operator, other, right)


def _statement(at: _Place) -> Iterator[Change]:
    yield "SDL", at.to_semicolon(), "{}"


def _declaration(at: _Place) -> Iterator[Change]:
    value, names = at.node.get("initialValue"), at.node["declarations"]
    if value is None or value.get("value") in {"0", "false"}:
        return  # nothing to lose
    if len(names) != 1 or names[0] is None or names[0]["storageLocation"] in {"storage", "calldata"}:
        return
    yield "VIR", at.span, at.text(names[0])


def _return(at: _Place) -> Iterator[Change]:
    value = at.node.get("expression")
    if value is None:
        yield "SDL", at.to_semicolon(), "{}"
        return
    kinds = [p["typeDescriptions"]["typeString"] for p in at.scope.definition["returnParameters"]["parameters"]]
    if len(kinds) != 1 or value["nodeType"] == "Literal":
        return
    if kinds[0] == "bool":
        yield "RVR", span_of(value), f"!({at.text(value)})"
    elif re.fullmatch(r"u?int\d+", kinds[0]):
        yield "RVR", span_of(value), "0"
    elif re.fullmatch(r"bytes\d+|address", kinds[0]):
        yield "RVR", span_of(value), f"{kinds[0]}(0)"


def _literal(at: _Place) -> Iterator[Change]:
    text, kind = at.text(at.node), at.node["kind"]
    if kind == "bool":
        yield "LIR", at.span, "false" if text == "true" else "true"
    elif kind in {"string", "hexString"}:
        change = (text[:1] + "~" + text[1:]) if kind == "string" else text[:4] + "ff" + text[6:]
        if len(at.node["value"] or at.node["hexValue"]) > 0:
            yield "LIR", at.span, change
    elif not at.node["typeDescriptions"]["typeString"].startswith("address"):
        match = _NUMBER.match(text)
        if match is not None:
            for other in neighbours(match[1]):
                yield "LIR", at.span, other + (match[2] or "")


def neighbours(number: str) -> tuple[str, ...]:
    """Return zero and the numbers on either side of a number, written as it is."""
    value = int(number.replace("_", ""), 0)
    others = sorted({0, value + 1, max(value - 1, 0)} - {value})
    if not number.lower().startswith("0x"):
        return tuple(str(other) for other in others)
    return tuple(f"{other:#0{len(number)}x}" for other in others)


def _member(at: _Place) -> Iterator[Change]:
    kind = at.node["expression"]["typeDescriptions"]["typeString"]
    if not kind.startswith("type(enum "):
        return
    members = at.unit.enums.get(kind[len("type(enum ") : -1].rpartition(".")[2], ())
    if at.node["memberName"] not in members:
        return
    here = members.index(at.node["memberName"])
    for other in {members[here - 1], members[(here + 1) % len(members)]} - {at.node["memberName"]}:
        yield "ECR", at.span, f"{at.text(at.node['expression'])}.{other}"


def _call(at: _Place) -> Iterator[Change]:
    if at.node["kind"] != "typeConversion":
        yield from _swaps(at, at.node["arguments"])


def _tuple(at: _Place) -> Iterator[Change]:
    components = at.node["components"]
    if None not in components:
        yield from _swaps(at, components)


def _swaps(at: _Place, parts: list[Node]) -> Iterator[Change]:
    for left, right in pairwise(parts):
        kinds = {part["typeDescriptions"]["typeString"] for part in (left, right)}
        if len(kinds) == 1 and at.text(left) != at.text(right):
            span = (span_of(left)[0], span_of(right)[1])
            yield "ARS", span, at.text(right) + at.between(left, right) + at.text(left)


def _function(at: _Place) -> Iterator[Change]:
    for modifier in at.node["modifiers"]:
        if modifier["kind"] == "modifierInvocation":
            yield "MOD", span_of(modifier), ""


_CHANGES: dict[str, Callable[[_Place], Iterator[Change]]] = {
    "BinaryOperation": _binary,
    "UnaryOperation": _unary,
    "IfStatement": _if,
    "ForStatement": _loop,
    "WhileStatement": _loop,
    "Conditional": _ternary,
    "Assignment": _assignment,
    "VariableDeclarationStatement": _declaration,
    "Return": _return,
    "Literal": _literal,
    "MemberAccess": _member,
    "FunctionCall": _call,
    "TupleExpression": _tuple,
    "FunctionDefinition": _function,
    **dict.fromkeys(_WHOLE_STATEMENTS, _statement),
}
