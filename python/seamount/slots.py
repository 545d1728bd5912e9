"""What a batch is made of: slots, each a tensor of its own."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from .encodings import Encoding
from .errors import InvalidArgumentError
from .layout import Layout
from .selection import Lead, durations, leads, natural, normalization


Missing = Literal["keep", "fill", "mask", "skip", "raise"]
Dtype = Literal[
    "float32", "float64", "float16", "bfloat16",
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
]  # fmt: skip


def bfloat16() -> Any:
    """NumPy's type of that name, from the package that has it."""
    try:
        import ml_dtypes
    except ImportError:
        raise InvalidArgumentError("dtype 'bfloat16' needs the package ml_dtypes, as NumPy has no such type: pip install ml_dtypes") from None
    return ml_dtypes.bfloat16


@dataclass(frozen=True)
class Slot:
    """One tensor of a batch, ``(batch, lead, variable, *field)``.

    Args:
        variables: names of arrays that have the same field; stacked in this order. One without the sample dimension
            (orography, latitudes) is the same at every sample and lead; it is fetched once and stays in memory.
        leads: as the loader's ``inputs``: numbers of steps, or durations such as ``"-6h"``.
        group: where the arrays are, if not at the loader's url: a path within that, or another url. Where its positions
            are other times (daily beside 6-hourly), leads are durations, and it is read at the sample's time and these.
        dtype: of the tensor. ``"bfloat16"`` needs the package ml_dtypes. An integer type keeps the numbers of integers as they
            are stored, of the same type or a narrower one; they are not normalised.
        patch: False: the whole field beside the loader's patches. A number: the field's grid is so many times as fine as
            the one that patches are positions of, and so is the patch.
        normalize, missing, fill, layout: as the loader's, for this slot; None: the loader's.

    Example:
        >>> Slot(["u", "v", "t"], leads=["-6h", "0h"])
        >>> Slot(["tp"], leads=["6h", "12h"], group="hourly", normalize=False)
        >>> Slot(["orography", "land_mask"])
    """

    variables: Sequence[str]
    leads: Sequence[Lead] = (0,)
    group: str | None = None
    dtype: Dtype = "float32"
    normalize: bool | Mapping[str, tuple[float, float]] | None = None
    missing: Missing | None = None
    fill: float | None = None
    patch: bool | int = True
    layout: str | None = None


@dataclass(frozen=True)
class Resolved:
    """A slot with everything said, as the engine takes it."""

    name: str
    target: bool
    variables: list[str]
    leads: list[int]
    """In the steps of the first group; where they are no whole numbers, rounded down."""
    whole: bool
    """Whether they are."""
    durations: list[int]
    """In microseconds; empty where they are given as steps."""
    group: int
    dtype: Dtype
    normalize: bool | dict[str, tuple[float, float]]
    missing: Missing
    fill: float | None
    patch_scale: int
    layout: Layout | None = None

    @property
    def float64(self) -> bool:
        return self.dtype == "float64"

    def seen(self, data: Any) -> Any:
        """What the engine hands out, in its own type: 16 bits of floating point come as bits."""
        if self.dtype not in ("float16", "bfloat16"):
            return data
        return data.view("f2" if self.dtype == "float16" else bfloat16())

    def options(self) -> dict[str, Any]:
        given = self.normalize if isinstance(self.normalize, dict) else {}
        return {
            "name": self.name,
            "variables": self.variables,
            "leads": self.leads if self.whole else [],
            "durations": self.durations,
            "group": self.group,
            "dtype": self.dtype,
            "patch_scale": self.patch_scale,
            "normalize": self.normalize is not False,
            "normalization": given,
            "fill": self.fill,
            "skip": self.missing == "skip",
            "refuse": self.missing == "raise",
        }


def names(name: str, given: Any) -> list[str]:
    if isinstance(given, str):
        raise InvalidArgumentError(f"{name} is {given!r}: expected a list of names, as [{given!r}]")
    if not isinstance(given, Iterable):
        raise InvalidArgumentError(f"{name} is {given!r}: expected a list of names")
    return [str(variable) for variable in given]


def slots_of(variables: Any, inputs: Any, targets: Any) -> list[tuple[str, bool, Any]]:
    """(name, whether it is a target, slot) of each; ``variables`` with lists of leads are the usual two."""
    if not hasattr(targets, "__len__"):
        raise InvalidArgumentError(f"targets is {targets!r}: expected a list of leads, as [1], or slots")
    if not isinstance(inputs, Mapping):
        if isinstance(targets, Mapping):
            raise InvalidArgumentError("targets are slots and inputs are leads: expected slots for both, {'x': Slot(…)}")
        if variables is None:
            raise InvalidArgumentError("variables: expected names, or inputs={'x': Slot([names], leads)}")
        both = [("inputs", False, Slot(variables, inputs)), ("targets", True, Slot(variables, targets))]
        return both if len(targets) else both[:1]
    if variables is not None:
        raise InvalidArgumentError(f"variables is {variables!r}, and inputs are slots: each names its own variables")
    if not isinstance(targets, Mapping) and len(targets):
        raise InvalidArgumentError(f"targets is {targets!r}, and inputs are slots: expected slots, {{'y': Slot(…)}}")
    found = [(str(name), False, slot) for name, slot in inputs.items()]
    found += [(str(name), True, slot) for name, slot in dict(targets).items()]
    for name, _, slot in found:
        if not isinstance(slot, (Slot, Encoding)):
            raise InvalidArgumentError(f"{name!r} is {slot!r}: expected a seamount.Slot")
        if [other for other, _, _ in found].count(name) > 1:
            raise InvalidArgumentError(f"two slots are named {name!r}")
    if not any(isinstance(slot, Slot) for _, _, slot in found):
        raise InvalidArgumentError(f"inputs is {dict(inputs)!r}: expected at least one slot of variables")
    return found


def _number(name: str, given: Any) -> float:
    try:
        return float(given)
    except (TypeError, ValueError):
        raise InvalidArgumentError(f"{name} is {given!r}: expected a number") from None


def missing_of(missing: Any, fill: Any) -> tuple[Missing, float | None]:
    """What becomes of missing values, and the number that they get, with masks beside."""
    words = get_args(Missing)
    if missing is not None and missing not in words:
        raise InvalidArgumentError(f"missing is {missing!r}: expected one of {', '.join(map(repr, words))}")
    if fill is not None and missing not in (None, "fill"):
        raise InvalidArgumentError(f"fill is {fill!r} and missing is {missing!r}: a fill value goes with 'fill'")
    if missing is None:
        missing = "keep" if fill is None else "fill"
    if missing == "mask":
        return missing, math.nan
    return missing, (_number("fill", fill) if fill is not None else 0.0) if missing == "fill" else None


class Groups:
    """The groups that slots take from, each opened once; the loader's own is the first."""

    def __init__(
        self,
        url: str | os.PathLike[str],
        slots: list[tuple[str, bool, Slot]],
        open_group: Callable[[str, list[str]], Any],
    ) -> None:
        self._url = os.fspath(url)
        wanted: dict[str, list[str]] = {self._url: []}
        for _, _, slot in slots:
            early = wanted.setdefault(self._url_of(slot.group), [])
            early += [name for name in names("variables", slot.variables) if name not in early]
        self._numbers = {place: number for number, place in enumerate(wanted)}
        self.groups = [open_group(place, early) for place, early in wanted.items()]

    def _url_of(self, group: str | None) -> str:
        if group is None:
            return self._url
        if not isinstance(group, str):
            raise InvalidArgumentError(f"group of a slot is {group!r}: expected a path within the loader's url, or another url")
        return group if "://" in group else f"{self._url.rstrip('/')}/{group.strip('/')}"

    @property
    def urls(self) -> list[str]:
        """Where each of them lies, as it was given."""
        return list(self._numbers)

    def number(self, group: str | None) -> int:
        return self._numbers[self._url_of(group)]


def _leads(name: str, given: Any, step: Callable[[], int], group: int) -> tuple[list[int], bool]:
    """In steps of the first group, and whether they are whole numbers of them: in another group with steps of its own they
    need not be."""
    try:
        return leads(name, given, step), True
    except InvalidArgumentError:
        if group == 0 or not durations(name, given):
            raise
        return [duration // step() for duration in durations(name, given)], False


def resolve(
    name: str,
    target: bool,
    slot: Slot,
    groups: Groups,
    step: Callable[[], int],
    normalize: bool | Mapping[str, tuple[float, float]],
    missing: tuple[Missing, float | None],
    layout: str | None = None,
) -> Resolved:
    """``step``: microseconds between positions; ``normalize``, ``missing``, ``layout``: what holds where the slot says
    nothing."""
    if slot.dtype not in get_args(Dtype):
        raise InvalidArgumentError(
            f"dtype of {name!r} is {slot.dtype!r}: expected 'float32' or 'float64', 'float16', 'bfloat16' or an integer's name"
        )
    if slot.dtype == "bfloat16":
        bfloat16()  # refused at once where NumPy cannot have it
    chosen = names("variables", slot.variables)
    given = slot.normalize
    if given is None and "int" in slot.dtype:
        given = False  # integers are kept as they are
    if given is None:
        given = normalize
        if isinstance(given, Mapping):  # of all slots' variables
            given = {variable: pair for variable, pair in given.items() if variable in chosen}
    if slot.missing is not None or slot.fill is not None:
        missing = missing_of(slot.missing, slot.fill)
    text = layout if slot.layout is None else slot.layout
    steps, whole = _leads(name, slot.leads, step, groups.number(slot.group))
    return Resolved(
        name=name,
        target=target,
        variables=chosen,
        leads=steps,
        whole=whole,
        durations=durations(name, slot.leads),
        group=groups.number(slot.group),
        dtype=slot.dtype,
        normalize=normalization(given) if isinstance(given, Mapping) else bool(given),
        missing=missing[0],
        fill=missing[1],
        patch_scale=natural(f"patch of {name!r}", int(slot.patch) if isinstance(slot.patch, bool) else slot.patch),
        layout=None if text is None else Layout(text, name),
    )


def check_normalize(normalize: Any, slots: list[Resolved]) -> None:
    """The engine sees of a loader's ``normalize`` what is about each slot's variables; here what is about none."""
    known = {variable for slot in slots for variable in slot.variables}
    for name in normalize if isinstance(normalize, Mapping) else ():
        if name not in known:
            raise InvalidArgumentError(f"normalize names {name!r}, which is not among the variables {sorted(known)}")


def slot_number(slots: list[Resolved], name: str | None) -> int:
    """Of the slot with that name; of the only target, or else the only input, where none is said."""
    for kind in (True, False):
        numbers = [i for i, slot in enumerate(slots) if (slot.name == name if name else slot.target is kind)]
        if len(numbers) == 1:
            return numbers[0]
    raise InvalidArgumentError(f"slot is {name!r}: expected one of {', '.join(repr(slot.name) for slot in slots)}")
