"""C as tokens, and the arithmetic mutants of it: one operator or one constant changed in each.

Comments, strings, preprocessor lines, attributes and inline assembly are left alone, and the sizes
of arrays, which are never too large; the body of a macro that goes over several lines is code. The
only grammar that is needed is whether an operator
stands behind a value: ``-``, ``*`` and ``&`` are binary there and unary elsewhere.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
      (?P<blank>\s+|//[^\n]*|/\*.*?\*/|\\\n)
    | (?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    | (?P<number>\.?[0-9](?:[eEpP][+-]|[\w.])*)
    | (?P<name>[A-Za-z_]\w*)
    | (?P<operator><<=|>>=|\.\.\.|\+\+|--|->|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|\S)
    """,
    re.VERBOSE | re.DOTALL,
)
_DIRECTIVE = re.compile(r"[ \t]*#(?:/\*.*?\*/|\\\n|[^\n])*", re.DOTALL)
_TEMPLATE = re.compile(r"[ \t]*#[ \t]*define[ \t]+(\w+)\([^)]*\)")
_INTEGER = re.compile(r"(0[xX])?((?(1)[0-9a-fA-F]+|[0-9]+))([uUlL]*)")

_BINARY = {
    "+": ("plus", "-"),
    "-": ("minus", "+"),
    "*": ("times", "+"),
    "/": ("over", "*"),
    "%": ("modulo", "/"),
    "<<": ("shift_left", ">>"),
    ">>": ("shift_right", "<<"),
    "<": ("less", "<="),
    "<=": ("at_most", "<"),
    ">": ("greater", ">="),
    ">=": ("at_least", ">"),
    "==": ("equal", "!="),
    "!=": ("unequal", "=="),
    "&&": ("and", "||"),
    "||": ("or", "&&"),
    "&": ("bit_and", "|"),
    "|": ("bit_or", "&"),
    "+=": ("plus_assign", "-="),
    "-=": ("minus_assign", "+="),
    "*=": ("times_assign", "+="),
    "/=": ("over_assign", "*="),
    "%=": ("modulo_assign", "/="),
    "<<=": ("shift_left_assign", ">>="),
    ">>=": ("shift_right_assign", "<<="),
    "&=": ("bit_and_assign", "|="),
    "|=": ("bit_or_assign", "&="),
}
_UNARY = {"-": ("negate", ""), "!": ("not", "")}

_TYPE = re.compile(
    r"(?:const|volatile|static|unsigned|signed|int|char|short|long|float|double|void|\w+_t)\Z"
)
_TAGGED = ("struct", "enum", "union")
_NO_VALUE = ("return", "case", "else", "do", "goto", "sizeof", *_TAGGED)
_CONTROL = ("if", "while", "for", "switch")
_LEFT_OUT = ("__asm__", "__asm", "asm", "__attribute__")


@dataclass(frozen=True)
class Token:
    """A token of C.

    Attributes:
        kind: ``number``, ``name``, ``text`` or ``operator``.
        text: As it is written.
        start: Offset of its first character.
        macro: The macro of which it is a part; "" outside of macros.
    """

    kind: str
    text: str
    start: int
    macro: str = ""


@dataclass(frozen=True)
class Mutant:
    """One change to one file.

    Attributes:
        file: Its name.
        start: Offset of what is replaced.
        old: What is replaced.
        new: By what.
        kind: Which change, such as ``less``, ``constant``.
        function: Where it stands; "" outside of functions.
        line: Number of its line, from 1.
        column: From 1.
        text: That line without the blanks around it.
        offset: Of what is replaced in that text.
        occurrence: Its number, from 1, among mutants with the same file, function, text and kind.
    """

    file: str
    start: int
    old: str
    new: str
    kind: str
    function: str
    line: int
    column: int
    text: str
    offset: int
    occurrence: int

    @property
    def id(self) -> str:
        """Where it stands and what it is: unique in a state of the sources."""
        return f"{self.file}:{self.line}:{self.column}:{self.kind}"

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """What an explanation names it by; it stays the same when lines shift."""
        return self.file, self.function, self.text, self.kind, self.occurrence

    @property
    def change(self) -> str:
        """The line before and after, for people."""
        before, after = self.text[: self.offset], self.text[self.offset + len(self.old) :]
        return f"{self.text}  ->  {before}{self.new}{after}"

    def apply(self, source: str) -> str:
        """The file with the change made."""
        assert source.startswith(self.old, self.start), self.id
        return source[: self.start] + self.new + source[self.start + len(self.old) :]


def tokens(source: str) -> Iterator[Token]:
    """The tokens of a C file, without comments and preprocessor lines."""
    at, macro, macro_end = 0, "", 0
    at_line_start = True
    while at < len(source):
        directive = _DIRECTIVE.match(source, at) if at_line_start else None
        at_line_start = False
        if directive:
            template = _TEMPLATE.match(source, at) if "\\\n" in directive[0] else None
            macro, macro_end = (template[1], directive.end()) if template else ("", 0)
            at = template.end() if template else directive.end()
            continue
        found = _TOKEN.match(source, at)
        if found is None:
            raise ValueError(f"no token of C at offset {at}: {source[at : at + 20]!r}")
        at = found.end()
        if found.lastgroup == "blank":
            # Taken one line at a time, so that a directive is met where its line starts.
            if "\n" in found[0] and not found[0].startswith(("/", "\\")):
                at = found.start() + found[0].index("\n") + 1
                at_line_start = True
            continue
        assert found.lastgroup is not None
        inside = found.start() < macro_end
        yield Token(found.lastgroup, found[0], found.start(), macro if inside else "")


def mutants(file: str, source: str) -> list[Mutant]:
    """Every mutant of a C file, in the order of the file.

    Args:
        file: Its name.
        source: Its text.
    """
    found: list[Mutant] = []
    seen: Counter[tuple[str, str, str, str]] = Counter()
    for token, behind_value, function in _in_context(list(tokens(source))):
        change = _change(token, behind_value)
        if change is None:
            continue
        kind, new = change
        line_start = source.rfind("\n", 0, token.start) + 1
        whole = source[line_start:].split("\n", maxsplit=1)[0]
        text = whole.rstrip("\\ ").lstrip()
        key = (file, function, text, kind)
        seen[key] += 1
        found.append(
            Mutant(
                file=file,
                start=token.start,
                old=token.text,
                new=new,
                kind=kind,
                function=function,
                line=source.count("\n", 0, token.start) + 1,
                column=token.start - line_start + 1,
                text=text,
                offset=token.start - line_start - (len(whole) - len(whole.lstrip())),
                occurrence=seen[key],
            )
        )
    return found


def _change(token: Token, behind_value: bool) -> tuple[str, str] | None:
    """The kind of mutant that a token gives, and what replaces it."""
    if token.kind == "number":
        return "constant", _one_more(token.text)
    if token.kind != "operator":
        return None
    return (_BINARY if behind_value else _UNARY).get(token.text)


def _one_more(number: str) -> str:
    """A constant that is larger by one, in the same notation where it is an integer.

    A float to which one is nothing is halved instead.
    """
    found = _INTEGER.fullmatch(number)
    if found is None:
        digits = number.rstrip("fFlL")
        large = (float.fromhex if "p" in number.lower() else float)(digits) > 1e6
        return f"({number} / 2)" if large else f"({number} + 1)"
    prefix, digits, suffix = found[1] or "", found[2], found[3]
    if prefix:
        return f"{prefix}{int(digits, 16) + 1:0{len(digits)}X}{suffix}"
    octal = len(digits) > 1 and digits.startswith("0")
    return f"0{int(digits, 8) + 1:o}{suffix}" if octal else f"{int(digits) + 1}{suffix}"


def _in_context(code: Sequence[Token]) -> Iterator[tuple[Token, bool, str]]:
    """Each token, whether it stands behind a value, and the function in which it stands."""
    found: list[tuple[Token, bool, str]] = []
    # Braces of a macro are nobody else's.
    for macro in dict.fromkeys(token.macro for token in code):
        part = [token for token in code if token.macro == macro]
        openers = _openers(part)
        left_out = _left_out(part, openers)
        rows = zip(part, _behind_value(part, openers), _functions(part, openers), strict=True)
        found += [
            (token, behind_value, macro or function)
            for index, (token, behind_value, function) in enumerate(rows)
            if index not in left_out
        ]
    yield from sorted(found, key=lambda row: row[0].start)


def _openers(code: Sequence[Token]) -> dict[int, int]:
    """Index of the opening parenthesis by that of the closing one."""
    openers, open_ones = {}, []
    for index, token in enumerate(code):
        if token.text == "(":
            open_ones.append(index)
        elif token.text == ")" and open_ones:
            openers[index] = open_ones.pop()
    return openers


def _left_out(code: Sequence[Token], openers: Mapping[int, int]) -> set[int]:
    """Indices of what is no arithmetic: inline assembly, attributes, sizes of arrays."""
    inside: set[int] = set()
    for closer, opener in openers.items():
        named = opener - 1
        while named > 0 and code[named].text in ("volatile", "goto", "inline"):
            named -= 1
        if named >= 0 and code[named].text in _LEFT_OUT:
            inside.update(range(opener, closer + 1))
    for index, token in enumerate(code):
        if token.text == "[" and index > 1 and _is_declared(code, index - 1):
            size = index
            while code[size].text == "[" and code[size + 2].text == "]":
                inside.add(size + 1)
                size += 3
    return inside


def _is_declared(code: Sequence[Token], index: int) -> bool:
    """Whether a name stands behind a type, or behind arrays and names that do."""
    while code[index - 1].text == "," and index > 2:
        index -= 2
        while code[index].text == "]" and code[index - 2].text == "[":
            index -= 3
    return index > 0 and _is_type(code, index - 1)


def _is_type(code: Sequence[Token], index: int) -> bool:
    """Whether a token is the name of a type."""
    tagged = index > 0 and code[index - 1].text in _TAGGED
    return tagged or bool(_TYPE.match(code[index].text))


def _functions(code: Sequence[Token], openers: Mapping[int, int]) -> Iterator[str]:
    """For each token the function in whose body it stands; "" outside.

    A macro that is called outside of functions makes one of the name that it is given first.
    """
    depth, function, made_until = 0, "", 0
    closers = {opener: closer for closer, opener in openers.items()}
    for index, token in enumerate(code):
        if depth == 0 and index >= made_until:
            function = ""
            named = [t.text for t in code[index + 1 : index + 3]]
            if token.text == "(" and named[1:] == [","] and index in closers:
                function, made_until = named[0], closers[index]
        if token.text == "{":
            if depth == 0:
                opener = openers.get(index - 1, 0)
                function = code[opener - 1].text if opener else ""
            depth += 1
        yield function
        if token.text == "}":
            depth -= 1


def _behind_value(code: Sequence[Token], openers: Mapping[int, int]) -> list[bool]:
    """For each token whether a value ends in front of it."""
    ends: list[bool] = [False]
    for index, token in enumerate(code):
        before = code[index - 1].text if index else ""
        if token.text == ")" and index in openers:
            ends.append(not _is_control_or_cast(code, openers[index], index))
        elif token.text in ("++", "--"):
            # Behind a value it ends one, before a value it begins one.
            ends.append(ends[-1])
        elif token.kind == "name":
            no_value = token.text in _NO_VALUE or _is_type(code, index) or before == "const"
            ends.append(not no_value)
        else:
            ends.append(token.kind != "operator" or token.text == "]")
    return ends[:-1]


def _is_control_or_cast(code: Sequence[Token], opener: int, closer: int) -> bool:
    """Whether a value is still to come behind a closing parenthesis."""
    before = code[opener - 1] if opener else Token("operator", "", 0)
    if before.text in _CONTROL:
        return True
    if before.kind == "name" and before.text != "return":
        return False
    inside = range(opener + 1, closer)
    return bool(inside) and all(
        code[i].text == "*" or code[i].text in _TAGGED or _is_type(code, i) for i in inside
    )
