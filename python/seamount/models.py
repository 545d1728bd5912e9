"""A model as prediction calls it: NumPy arrays by slot go in and come out, whatever library it is written in."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from .errors import InvalidArgumentError

Tensors = dict[str, np.ndarray]


class Model:
    """Calls ``function`` with what a batch's inputs are, and checks what it gives.

    A torch.nn.Module gets tensors on the device of its parameters; another callable gets tensors where ``device`` says so.
    """

    def __init__(self, function: Callable[..., Any], device: Any, named: bool, expected: dict[str, tuple[int, ...]]) -> None:
        """``expected``: by slot (lead, variable, *field) of what the model gives."""
        if not callable(function):
            raise InvalidArgumentError(f"the model is {function!r}: expected something to call, or a list of these")
        self._function, self._named, self._expected = function, named, expected
        nn = sys.modules.get("torch.nn")  # where nobody has imported it, it is no module of it
        self._module = nn is not None and isinstance(function, nn.Module)
        if device is None and self._module:
            parameter = next(iter(function.parameters()), None)  # type: ignore[attr-defined]
            device = "cpu" if parameter is None else parameter.device
        self._device = device

    def __call__(self, inputs: Tensors, member: int | None = None) -> Tensors:
        """``member`` goes to the function where it is given."""
        given = inputs if self._named else inputs["inputs"]
        more = {} if member is None else {"member": member}
        outputs = self._function(given, **more) if self._device is None else self._with_torch(given, more)
        if not isinstance(outputs, dict):
            if len(self._expected) != 1:
                raise InvalidArgumentError(f"the model gave one array: expected a dict of {', '.join(self._expected)}")
            outputs = {name: outputs for name in self._expected}
        return {name: self._checked(name, outputs, len(next(iter(inputs.values())))) for name in self._expected}

    def _checked(self, name: str, outputs: dict[str, Any], samples: int) -> np.ndarray:
        if name not in outputs:
            raise InvalidArgumentError(f"the model gave {', '.join(map(repr, outputs))}: expected {name!r} among them")
        values = np.asarray(outputs[name])
        shape = (samples, *self._expected[name])
        if shape[1] == 1 and values.shape == shape[:1] + shape[2:]:
            values = values[:, None]
        if values.shape != shape:
            raise InvalidArgumentError(
                f"the model gave {name!r} of shape {values.shape}: expected (batch, lead, variable, *field) = {shape}"
            )
        return values

    def _with_torch(self, given: Any, more: dict[str, Any]) -> Any:
        import torch

        from .feed import mapped

        with torch.inference_mode():
            outputs = self._function(mapped(lambda array: torch.from_dlpack(array).to(self._device), given), **more)
            return mapped(_to_numpy, outputs)

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """A torch.nn.Module is in its evaluation mode meanwhile."""
        training = self._module and self._function.training  # type: ignore[attr-defined]
        if training:
            self._function.eval()  # type: ignore[attr-defined]
        try:
            yield
        finally:
            if training:
                self._function.train()  # type: ignore[attr-defined]


def _to_numpy(tensor: Any) -> np.ndarray:
    tensor = tensor.detach()
    if tensor.is_floating_point() and tensor.element_size() < 4:  # bfloat16, which NumPy lacks
        tensor = tensor.float()
    return np.from_dlpack(tensor.cpu().contiguous())


def models_of(model: Any, members: int | None, make: Callable[[Any], Model]) -> list[Model]:
    """Of an ensemble each of its models, else the one."""
    if not isinstance(model, Sequence):
        return [make(model)]
    if members is not None:
        raise InvalidArgumentError(f"members is {members}, and there are {len(model)} models: each is a member")
    if not model:
        raise InvalidArgumentError("the model is an empty list: expected at least one")
    return [make(one) for one in model]
