#!/usr/bin/env python3
"""Writes docs/api.md from the docstrings of the package: tools/api_reference.py [--check]

Reads the source, so that no library needs to be there which only a part of the package uses. --check writes nothing and fails
where the page is not what the docstrings say; it also fails where a public name says nothing.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python" / "seamount"
PAGE = ROOT / "docs" / "api.md"

# Modules that are imported by their own names, each with what it has for users.
MODULES = {
    "torch": ["Batches"],
    "jax": ["prefetch"],
    "filesystem": ["SeamountFileSystem", "register"],
    "xarray_engine": ["SeamountBackend"],
    "zarr_store": ["ZarrStore"],
}
# What a library asks of a class of ours is described by that library.
INHERITED = {"SeamountFileSystem", "SeamountBackend", "ZarrStore"}
HEAD = """# API reference

Every public name of the package, from its docstring; `help(name)` says the same. Made by `tools/api_reference.py`.
"""


def tree_of(module: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{module}.py").read_text())


def public_names() -> dict[str, str]:
    """Of `seamount.__all__`, by name the module that defines it."""
    homes: dict[str, str] = {}
    names: list[str] = []
    for node in tree_of("__init__").body:
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            homes |= {alias.asname or alias.name: node.module or alias.name for alias in node.names}
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names = ast.literal_eval(node.value)
    return {name: homes[name] for name in names}


def definition(module: str, name: str) -> ast.ClassDef | ast.FunctionDef:
    for node in tree_of(module).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
            return node
    raise SystemExit(f"api_reference: {module}.py defines no {name}")


def text_of(node: ast.AST, where: str) -> str:
    text = ast.get_docstring(node)  # type: ignore[arg-type]
    if not text or len(text.split()) < 2:
        raise SystemExit(f"api_reference: {where} has no docstring that describes it")
    return text


def signature(node: ast.FunctionDef, method: bool) -> str:
    arguments = ast.unparse(node.args)
    if method and not any(ast.unparse(each) == "staticmethod" for each in node.decorator_list):
        arguments = arguments.partition(",")[2].strip().removeprefix("/, ")
    return f"({arguments})" + (f" -> {ast.unparse(node.returns)}" if node.returns else "")


def members(node: ast.ClassDef, where: str) -> Iterator[tuple[str, str]]:
    """(heading, text) of methods, properties and fields with a text of their own."""
    for place, each in enumerate(node.body):
        if isinstance(each, ast.FunctionDef) and not each.name.startswith("_"):
            decorators = [ast.unparse(decorator) for decorator in each.decorator_list]
            heading = each.name if "property" in decorators else each.name + signature(each, True)
            yield heading, text_of(each, f"{where}.{each.name}")
        following = node.body[place + 1] if place + 1 < len(node.body) else None
        if isinstance(each, ast.AnnAssign) and isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            yield ast.unparse(each.target), inspect.cleandoc(str(following.value.value))


def described(name: str, node: ast.ClassDef | ast.FunctionDef) -> str:
    parts = [f"## {name}", ""]
    if isinstance(node, ast.FunctionDef):
        parts += [block(name.rpartition(".")[2] + signature(node, False)), text_block(text_of(node, name))]
        return "\n".join(parts)
    parts += [text_block(text_of(node, name))]
    initial = next((each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"), None)
    if initial is not None and "Args:" in text_of(node, name):
        parts.insert(2, block(name.rpartition(".")[2] + signature(initial, True).removesuffix(" -> None")))
    for heading, text in [] if node.name in INHERITED else members(node, name):
        parts += [f"**`{heading}`**", "", text_block(text)]
    return "\n".join(parts)


def block(text: str) -> str:
    return f"```python\n{text}\n```\n"


def text_block(text: str) -> str:
    """One paragraph as prose; what has a layout of its own as it stands in the source."""
    if "\n\n" in text or ">>>" in text:
        return f"```text\n{text}\n```\n"
    return re.sub(r":\w+:`([^`]*)`", r"`\1`", text.replace("``", "`")) + "\n"


def page() -> str:
    parts = [HEAD]
    for name, module in public_names().items():
        if name == module:  # a module, whose classes are public
            parts += [described(f"seamount.{name}.{node.name}", node) for node in tree_of(module).body
                      if isinstance(node, ast.ClassDef)]  # fmt: skip
        else:
            parts.append(described(f"seamount.{name}", definition(module, name)))
    for module, names in MODULES.items():
        parts += [described(f"seamount.{module}.{name}", definition(module, name)) for name in names]
    return "\n".join(parts).rstrip() + "\n"


def main() -> None:
    text = page()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        raise SystemExit("api_reference: docs/api.md is not what the docstrings say: run tools/api_reference.py")


if __name__ == "__main__":
    main()
