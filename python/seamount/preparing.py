"""``seamount prepare`` from Python: a recipe as a file or a dict, sources in memory among them.

The work is done by the program that the wheel brings along, in a process of its own: its memory bound is its own, Python
goes on breathing meanwhile, and what it writes is what the command writes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import errors, html
from .connection import Key, path_of
from .program import ERROR_OF_CODE, credential_flags, run_program
from .recipe_text import recipe_text

@dataclass(frozen=True)
class Prepared:
    """What :func:`prepare` did. ``missing`` has, for each variable that was written, how many values are missing;
    ``changes`` what is kept, rewritten and added of each, as ``--json`` prints it."""

    url: str
    up_to_date: bool
    regions: int
    regions_kept: int
    decoded_bytes: int
    written_bytes: int
    equal_bytes: int
    spilled_bytes: int
    statistics_kept: int
    peak_memory_bytes: int
    seconds: float
    missing: Mapping[str, Mapping[str, Any]]
    changes: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        if self.up_to_date:
            return f"{self.url} is up to date: nothing to do"
        kept = f" ({self.regions_kept} kept from before)" if self.regions_kept else ""
        equal = f", {_size(self.equal_bytes)} as they were" if self.equal_bytes else ""
        stored = f"{_size(self.decoded_bytes)} in {_size(self.written_bytes)} stored"
        return f"{self.url}: {self.regions} regions{kept}{equal}, {stored}, in {self.seconds:.1f} s"

    def _repr_html_(self) -> str:
        rows = {
            "regions": f"{self.regions}, of which {self.regions_kept} were there",
            "decoded": _size(self.decoded_bytes),
            "stored": _size(self.written_bytes),
            "memory": _size(self.peak_memory_bytes),
            "took": "nothing was to be done" if self.up_to_date else f"{self.seconds:.1f} s",
        }
        for name, share in self.missing.items():
            if share["missing"]:
                rows[f"missing in {name}"] = f"{100 * share['missing'] / share['values']:.3g} %"
        rows |= {f"note {i}": note for i, note in enumerate(self.notes, 1)}
        return html.table(f"prepared: {self.url}", rows)


def prepare(
    recipe: str | os.PathLike[str] | Mapping[str, Any],
    *,
    to: str | os.PathLike[str],
    overwrite: bool = False,
    memory: int | str = "1G",
    threads: int = 0,
    spill: str | os.PathLike[str] | None = None,
    key: Key | None = None,
    endpoint: str | None = None,
    anonymous: bool = False,
    progress: bool = True,
) -> Prepared:
    """Makes what a recipe says (docs/recipes.md), as ``seamount prepare`` does, and returns its numbers.

    ``recipe`` is a file, or a dict with the same keys; relative paths of a dict start at the working directory. Of a dict
    ``source`` (or parts of it) may be an ``xarray.Dataset``: it is written to a temporary Zarr group first, chunk by
    chunk where it is a dask one, into ``spill`` or ``$TMPDIR``. Such a source counts as changed in every call, so that a
    second one needs ``overwrite=True``; objects that come out equal are not sent again.

    A bar is drawn where tqdm is installed. Ctrl-C ends the run with its record written; the same call continues it.
    What the command notes is a ``UserWarning``, and stands in the result.
    """
    url = path_of("to", to)
    arguments = ["prepare", "", "--to", url, "--json", "--progress-json", f"--memory={memory}", f"--threads={threads}"]
    arguments += [flag for flag, wanted in (("--overwrite", overwrite), ("--anonymous", anonymous)) if wanted]
    arguments += ["--spill=" + path_of("spill", spill, "a folder")] if spill is not None else []
    with contextlib.ExitStack() as held:
        text = None
        arguments[1] = "-"
        if isinstance(recipe, Mapping):
            text = recipe_text(_with_sources_on_disk(recipe, spill, held))
        else:
            arguments[1] = os.path.abspath(path_of("recipe", recipe, "a file, or a dict"))
        arguments += credential_flags(key, endpoint, held)
        report, notes = _run(arguments, text, progress, held)
    for note in notes:
        warnings.warn(note, stacklevel=2)
    return Prepared(url=url, notes=tuple(notes), **report)


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _with_sources_on_disk(
    recipe: Mapping[str, Any], spill: str | os.PathLike[str] | None, held: contextlib.ExitStack
) -> Mapping[str, Any]:
    """The recipe with the path of a Zarr group for each xarray.Dataset among its sources."""
    xarray = sys.modules.get("xarray")  # who has a Dataset has imported it
    if xarray is None or "source" not in recipe:
        return recipe
    folder: list[Path] = []

    def on_disk(source: Any) -> Any:
        if isinstance(source, Mapping) and not isinstance(source, xarray.Dataset):
            return {name: on_disk(part) for name, part in source.items()}
        if isinstance(source, (list, tuple)):
            return [on_disk(part) for part in source]
        if not isinstance(source, xarray.Dataset):
            return source
        if not folder:
            folder.append(Path(tempfile.mkdtemp(prefix="seamount-xarray-", dir=spill)))
            held.callback(shutil.rmtree, folder[0], ignore_errors=True)
            folder.append(folder[0])
        path = folder[0] / f"dataset-{len(folder) - 1}.zarr"
        folder.append(path)
        # How a file had stored it says nothing of it now.
        source.drop_encoding().to_zarr(path)
        return str(path)

    return {**recipe, "source": on_disk(recipe["source"])}


def _run(
    arguments: list[str], recipe: str | None, progress: bool, held: contextlib.ExitStack
) -> tuple[dict[str, Any], list[str]]:
    """The program's report, and its notes."""
    code, said, told = run_program(arguments, held, progress=progress, given=recipe or "")
    notes = [line.removeprefix("note: ") for line in said if line.startswith("note: ")]
    if code != 0:
        rest = [line for line in said if not line.startswith("note: ")]
        raise _error(code, rest[-1] if rest else "", recipe)
    report = json.loads(told)
    # A program that is newer than this file may say more.
    return {name: report[name] for name in Prepared.__dataclass_fields__ if name in report}, notes


def _error(code: int, message: str, recipe: str | None) -> errors.SeamountError:
    if code not in ERROR_OF_CODE:
        return errors.InternalError(f"the program was ended by signal {-code}" if code < 0 else message)
    message = re.sub(r"^seamount prepare: ", "", message)
    message = re.sub(r"--(overwrite|anonymous)\b", r"\1=True", message)
    message = re.sub(r"--(memory|spill|threads|to|key|endpoint)\b", r"\1=", message)
    if recipe is not None:  # the lines of a dict are nobody's: what stands there says where
        lines = recipe.splitlines()
        message = re.sub(r"^recipe line (\d+)", lambda m: f"the recipe, at {lines[int(m[1]) - 1].strip()}", message)
    return ERROR_OF_CODE[code](message)
