"""What functions do, as a digest of their source: of them and of all of their package that they use, and of no more.

    digest_of_code(my_package.constraints.mentions_tea)

An edit of a comment, a docstring or the layout changes nothing, nor does one of a function that is not used. Modules that lie
outside of Python's library folders count as well; of installed libraries only the names that are used are looked at.
"""

import ast
import copy
import functools
import hashlib
import importlib.util
import inspect
import json
import os
import re
import symtable
import sys
import sysconfig
import textwrap
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any

OURS = "ifrl_core"
REGISTERING = frozenset({"constraint_type"})  # decorators that give back the function: they say nothing of what it does
_LAYOUT = frozenset({"ctx", "kind", "type_comment"})
_DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_PLAIN = (str, int, float, bytes, type(None), re.Pattern)

_LIBRARIES = tuple({sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")})

Name = tuple[str, str]  # module, name in it; "": all of the module


@dataclass(frozen=True, eq=False)
class _Statement:
    """A statement of a module, or an expression in one."""

    node: ast.AST

    @cached_property
    def said(self) -> str:
        return hashlib.sha256(json.dumps(_said(self.node)).encode()).hexdigest()

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the module that it refers to."""
        return frozenset(_globals(symtable.symtable(ast.unparse(self.node), "statement", "exec")))

    def attributes(self, name: str) -> set[str]:
        """What it asks of a module that it calls `name`; "" where the module is used in another way."""
        asked = [n for n in ast.walk(self.node) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)]
        attributes = [node.attr for node in asked if isinstance(node.value, ast.Name) and node.value.id == name]
        uses = sum(isinstance(n, ast.Name) and n.id == name for n in ast.walk(self.node))
        return set(attributes) if uses == len(attributes) else {""}


class _Module:
    """The statements of a module by the names that they bind, and where its other names come from."""

    def __init__(self, name: str, tree: ast.Module, *, package: bool) -> None:
        self.name, self.tree, self._package = name, tree, name if package else name.rpartition(".")[0]
        self._leads: dict[_Statement, tuple[Name, ...]] = {}
        self.statements: dict[str, list[_Statement]] = {}
        self.imported: dict[str, Name] = dict(self.imports_in(tree.body))
        for node in tree.body:
            statement = _Statement(_without_registering(node))
            for bound in _bound(node):
                self.statements.setdefault(bound, []).append(statement)

    def leads_to(self, statement: _Statement) -> tuple[Name, ...]:
        """What a statement of this module refers to."""
        if statement not in self._leads:
            self._leads[statement] = tuple(_leads_to(self.name, self, statement))
        return self._leads[statement]

    def imports_in(self, nodes: Collection[ast.AST]) -> Iterator[tuple[str, Name]]:
        """(name here, name there) of imports, those inside of functions included."""
        for node in (inner for outer in nodes for inner in ast.walk(outer)):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield alias.asname or alias.name.partition(".")[0], (alias.name, "")
            elif isinstance(node, ast.ImportFrom):
                source = node.module or ""
                if node.level:
                    source = importlib.util.resolve_name("." * node.level + source, self._package)
                for alias in node.names:
                    yield alias.asname or alias.name, (source, "" if alias.name == "*" else alias.name)


def digest_of_code(*functions: Callable[..., Any], leaving_out: Collection[str] = ()) -> str:
    """64 hex digits. A name of `leaving_out` is taken for one of another package.

    Functions without source (of a notebook's cell that is gone) are told by their bytecode.
    """
    begun = _Beginning()
    for function in functions:
        begun.add(function)
    own = {OURS, *(module.partition(".")[0] for module, _ in begun.names)} - sys.stdlib_module_names
    said = begun.said | _reached(begun.names, own, frozenset(leaving_out))
    return hashlib.sha256("\n".join(sorted(said)).encode()).hexdigest()


class _Beginning:
    """What functions say beyond names of modules (what they have closed over), and the names they begin with."""

    def __init__(self) -> None:
        self.said: set[str] = set()
        self.names: list[Name] = []
        self._seen: set[int] = set()

    def add(self, value: Any) -> None:
        """A function, or a value that one holds."""
        if isinstance(value, _PLAIN):
            self.said.add(repr(value))
        elif id(value) in self._seen:
            return
        self._seen.add(id(value))
        if isinstance(value, functools.partial):
            self._add_all(value.func, *value.args, *value.keywords.items())
        elif hasattr(inspect.unwrap(value) if callable(value) else value, "__code__"):
            self._add_function(inspect.unwrap(value))
        elif isinstance(value, type):
            self.names.append((value.__module__, value.__qualname__.partition(".")[0]))
        elif inspect.isroutine(value):  # of an interpreter or library in C
            self.said.add(f"{getattr(value, '__module__', None)}:{value.__qualname__}")
        elif isinstance(value, Mapping):
            self._add_all(*value.items())
        elif isinstance(value, tuple | list | set | frozenset):
            self._add_all(*value)
        elif not isinstance(value, _PLAIN):
            self.add(type(value))
            self._add_all(*sorted(getattr(value, "__dict__", {}).items()))

    def _add_all(self, *values: Any) -> None:
        for value in values:
            self.add(value)

    def _add_function(self, function: Any) -> None:
        where = function.__module__
        module, name = _module_of(where), function.__qualname__.partition(".")[0]
        if module is not None and name in module.statements:
            self.names.append((where, name))
        else:
            statements = _found(function, module)
            self.said |= {statement.said for statement in statements} or {_bytecode(function.__code__)}
            if module is not None:
                self.names += [n for statement in statements for n in module.leads_to(statement)]
        cells = (cell.cell_contents for cell in function.__closure__ or ())
        owner = getattr(function, "__self__", None)
        self._add_all(*cells, *(function.__defaults__ or ()), *getattr(owner, "__dict__", {}).items())


def _reached(todo: list[Name], own: Collection[str], leaving_out: frozenset[str]) -> set[str]:
    """What all statements say that names lead to."""
    said: set[str] = set()
    seen: set[Name] = set()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        top = name[0].partition(".")[0]
        module = _module_of(name[0]) if (top in own or _is_local(top)) and name[1] not in leaving_out else None
        if module is None:
            said.add(f"{name[0]}:{name[1]}")
        elif name[1] in module.statements or not name[1]:
            statements = module.statements.get(name[1]) or [s for group in module.statements.values() for s in group]
            for statement in statements:
                said.add(statement.said)
                todo += module.leads_to(statement)
        elif name[1] in module.imported:
            todo.append(module.imported[name[1]])
        elif _module_of(f"{name[0]}.{name[1]}"):
            todo.append((f"{name[0]}.{name[1]}", ""))
    return said


def _leads_to(name: str, module: _Module, statement: _Statement) -> Iterator[Name]:
    for referred in statement.names:
        if referred in module.statements:
            yield name, referred
        elif referred in module.imported:
            yield from _imported(referred, module.imported[referred], statement)
        elif "*" in module.imported:
            yield module.imported["*"][0], referred
    yield from (there for _, there in module.imports_in([statement.node]))


def _found(function: Any, module: _Module | None) -> list[_Statement]:
    """A lambda by its line in the module, or a function whose module has no file by its own source."""
    if module is not None:
        line = function.__code__.co_firstlineno
        lambdas = (node for node in ast.walk(module.tree) if isinstance(node, ast.Lambda) and node.lineno == line)
        return [_Statement(node) for node in lambdas]
    try:
        return [_Statement(node) for node in ast.parse(textwrap.dedent(inspect.getsource(function))).body]
    except (OSError, SyntaxError, TypeError):
        return []


def _imported(name: str, there: Name, statement: _Statement) -> Iterator[Name]:
    """What a statement uses of what it has imported as `name`: of a module, the names that it asks for."""
    if not there[1]:
        dotted = there[0] != name and there[0].startswith(f"{name}.")  # `import a.b` makes `a` known
        yield from ((there[0], attribute) for attribute in ({""} if dotted else statement.attributes(name)))
    elif (package := _module_of(there[0])) and there[1] not in package.statements | package.imported:
        yield from ((f"{there[0]}.{there[1]}", attribute) for attribute in statement.attributes(name))
    else:
        yield there


def _module_of(name: str) -> _Module | None:
    """A module by its name; None where it has no source."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None or not spec.origin or not spec.origin.endswith(".py") or not os.path.exists(spec.origin):
        return None
    state = os.stat(spec.origin)
    return _read(name, spec.origin, state.st_mtime_ns, state.st_size, spec.submodule_search_locations is not None)


@cache
def _is_local(top: str) -> bool:
    """Whether a package or module lies where people work, not where libraries are installed."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    # Some libraries put a Path among these.
    places = [str(place) for place in (*(spec.submodule_search_locations or []), spec.origin or "")] if spec else []
    return any(place.endswith(".py") or os.path.isdir(place) for place in places) and not any(
        place.startswith(folder) for place in places for folder in _LIBRARIES
    )


@lru_cache(maxsize=512)
def _read(name: str, path: str, modified_ns: int, size: int, package: bool) -> _Module:
    with open(path, "rb") as source:
        return _Module(name, ast.parse(source.read()), package=package)


def _without_registering(node: ast.stmt) -> ast.stmt:
    if not isinstance(node, ast.FunctionDef):
        return node
    kept = [item for item in node.decorator_list if not _names(item) & REGISTERING]
    plain = copy.copy(node)
    plain.decorator_list = kept
    return plain


def _names(decorator: ast.expr) -> set[str]:
    """The last name of a decorator: `a` of @a, @a(...) and @x.a(...)."""
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return (
        {called.attr} if isinstance(called, ast.Attribute) else {called.id} if isinstance(called, ast.Name) else set()
    )


def _bound(node: ast.AST) -> set[str]:
    """The names of its module that a statement binds or changes."""
    if isinstance(node, _DEFINITION):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return set()
    stored = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    defined = {n.name for n in ast.walk(node) if isinstance(n, _DEFINITION)}
    changed = {base for n in ast.walk(node) if (base := _changed(n))}
    return stored | defined | changed


def _changed(node: ast.AST) -> str:
    """`X` of `X[...] = `, `X.y = ` and `X.append(...)`."""
    target: ast.AST | None = None
    if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
        target = node.value
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
        target = node.value.func.value
    return target.id if isinstance(target, ast.Name) else ""


def _globals(table: symtable.SymbolTable) -> Iterator[str]:
    top = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (top or symbol.is_global()):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _globals(child)


def _said(node: Any) -> Any:
    """A syntax tree as JSON without what says nothing: places, empty fields and docstrings."""
    if isinstance(node, list):
        return [_said(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [(name, value) for name, value in ast.iter_fields(node) if name not in _LAYOUT and value not in (None, [])]
    if isinstance(node, _DEFINITION) and ast.get_docstring(node, clean=False) is not None:
        fields = [(name, value[1:] if name == "body" else value) for name, value in fields]
    return [type(node).__name__, *([name, _said(value)] for name, value in fields)]


def _bytecode(code: Any) -> str:
    constants = [_bytecode(c) if hasattr(c, "co_code") else repr(c) for c in code.co_consts]
    return repr((code.co_code.hex(), code.co_names, constants))
