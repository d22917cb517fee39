"""What stands for each tensor of a graph while `lower_qdq` lowers it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from midge.errors import UserError
from midge.graph import DType, Graph, Op, Quantization, Rounding, Tensor
from midge.graph.ops.conversions import Dequantize, Quantize
from midge.graph.ops.lookup import Lookup
from midge.passes.lower_qdq_numbers import (
    CODES,
    Float32Array,
    codes_of,
    constant_codes,
    own_quantization,
    reals_of,
)
from midge.passes.lower_qdq_targets import Targets, is_float, readers_of


@dataclass(frozen=True)
class Function:
    """A float tensor each element of which follows from one int8.

    Attributes:
        source: The int8 tensor.
        values: float32 [256], for its codes from -128 on.
        op: The operator that it is the output of.
    """

    source: Tensor
    values: Float32Array
    op: Op


class Conversion:
    """Integers, floats and functions by the float tensors that they stand for.

    Attributes:
        ops: The operators so far.
        tensors: Of both graphs, by name.
        problems: What cannot be lowered, a line each.
        remarks: What is not bit for bit what the graph says.
    """

    def __init__(
        self,
        graph: Graph,
        rounding: Rounding,
        allow_float: bool,
        keep_float: frozenset[str] = frozenset(),
    ) -> None:
        """Start in front of the first operator."""
        self.ops: list[Op] = []
        self.tensors: dict[str, Tensor] = dict(graph.tensors)
        self.problems: list[str] = []
        self.remarks: list[str] = []
        self._graph = graph
        self._rounding = rounding
        self._allow_float = allow_float
        self._keep_float = keep_float
        self._readers = readers_of(graph)
        self._targets = Targets(graph, self._readers)
        self._codes: dict[str, Tensor] = {}
        """Integer tensors by the float tensor that they stand for."""
        self._functions: dict[str, Function] = {}
        """By the float tensor."""
        self._floats: dict[str, str] = {}
        """Float tensors of the new graph by their name in the old one."""
        self._integers: dict[str, Tensor] = {}
        """What integer tensors of the old graph have become."""
        self._rescaled: dict[tuple[str, DType, Quantization], Tensor] = {}
        self._failed: set[str] = set()
        self._fused: set[str] = set()
        self._used: set[str] = set()

    def _may_stay(self, op: Op) -> bool:
        """The caller allows the operator to be a float one."""
        return self._allow_float or op.name in self._keep_float

    def _leave(self, op: Op, reason: str) -> None:
        """An operator stays float, or is a problem."""
        if not self._may_stay(op):
            self.problems.append(f"{op.name} ({op.kind}): {reason}")
            self._failed.update(n for n in op.outputs if is_float(self._graph.tensors[n]))
            return
        floats = [n for n in op.outputs if is_float(self._graph.tensors[n])]
        names = {n: n if self._is_free(n) else self._free(f"{n}.real") for n in floats}
        self._floats |= names
        for name in floats:
            self._declare(replace(self._graph.tensors[name], name=names[name]))
        inputs = tuple(self._real(n) if n else "" for n in op.inputs)
        outputs = tuple(names.get(n, n) for n in op.outputs)
        self._emit(replace(op, inputs=inputs, outputs=outputs))

    def _real(self, name: str) -> str:
        """The name of a tensor in float32, or of an integer tensor that is one in the graph."""
        tensor = self._graph.tensors[name]
        if not is_float(tensor):
            return self._integer(name).name
        if name in self._floats or (tensor.is_constant and name not in self._codes):
            return self._floats.get(name, name)
        if name in self._functions and name not in self._codes:
            self._leave(self._functions[name].op, "")
            return self._floats[name]
        codes = self._codes[name]
        made = self._declare(replace(tensor, name=self._free(f"{name}.real"), data=None))
        if codes.is_constant:
            self._declare(replace(made, data=reals_of(codes)))
        else:
            self._emit(Op(made.name, Dequantize(), (codes.name,), (made.name,)))
        self._floats[name] = made.name
        return made.name

    def _integer(self, name: str) -> Tensor:
        return self._integers.get(name, self.tensors[name])

    def _as_integers(
        self,
        name: str,
        dtype: DType | None = None,
        quantization: Quantization | None = None,
        made: str = "",
    ) -> Tensor:
        """What stands for a float tensor, in this quantisation if one is given.

        Raises:
            UserError: nothing does.
        """
        tensor = self._graph.tensors[name]
        if name not in self._codes and name in self._functions:
            function = self._functions[name]
            target = self._targets.of(name)
            own = own_quantization(function.values, DType.INT8)
            wanted = quantization if dtype is DType.INT8 else None
            if wanted is None and target is not None and target.dtype is DType.INT8:
                wanted = target.quantization
            self._codes[name] = self._table(function, wanted or own, name)
        if name not in self._codes:
            if not tensor.is_constant:
                raise UserError(f"its input {name} is not quantised")
            if dtype is None:
                raise UserError(f"its inputs are constants; {name} is not quantised")
            own = quantization or own_quantization(np.asarray(tensor.data), dtype)
            return self._declare(
                constant_codes(
                    self._free(f"{name}.codes"), np.asarray(tensor.data), dtype, own, self._rounding
                )
            )
        codes = self._codes[name]
        if dtype is None or quantization is None:
            return codes
        return self._rescale(codes, dtype, quantization, made or f"{name}.rescaled")

    def _table(self, function: Function, quantization: Quantization, name: str) -> Tensor:
        """A function of one int8 in int8."""
        table = codes_of(function.values, DType.INT8, quantization, self._rounding)
        entries = Tensor(self._free(f"{name}.table"), (256,), DType.INT8, None, table.astype("<i1"))
        shape = self._graph.tensors[name].shape
        y = self._declare(Tensor(self._own_name(name), shape, DType.INT8, quantization))
        self._declare(entries)
        inputs = function.source.name, entries.name
        self._emit(Op(function.op.name, Lookup(), inputs, (y.name,)))
        return y

    def _rescale(self, x: Tensor, dtype: DType, quantization: Quantization, name: str) -> Tensor:
        if (x.dtype, x.quantization) == (dtype, quantization):
            return x
        key = x.name, dtype, quantization
        if key not in self._rescaled:
            self._rescaled[key] = self._rescaled_anew(x, dtype, quantization, name)
        return self._rescaled[key]

    def _rescaled_anew(
        self, x: Tensor, dtype: DType, quantization: Quantization, name: str
    ) -> Tensor:
        made = Tensor(self._own_name(name), x.shape, dtype, quantization)
        if x.is_constant:
            codes = codes_of(reals_of(x), dtype, quantization, self._rounding)
            return self._declare(replace(made, data=codes.astype(dtype.numpy)))
        self._declare(made)
        if x.dtype is dtype is DType.INT8:
            table = codes_of(reals_of(x, CODES), dtype, quantization, self._rounding)
            entries = Tensor(self._free(f"{name}.table"), (256,), dtype, None, table.astype("<i1"))
            self._declare(entries)
            op = Op(name, Lookup(), (x.name, entries.name), (made.name,))
        else:
            rounding = Rounding.SINGLE if self._rounding is not Rounding.TFLITE_DOUBLE else None
            attributes = Quantize(to=dtype, rounding=rounding or Rounding.TFLITE_DOUBLE)
            op = Op(name, attributes, (x.name,), (made.name,))
        self._check(op)
        self._emit(op)
        return made

    def _is_computed(self, name: str) -> bool:
        codes = self._codes.get(name)
        return not (self._graph.tensors[name] if codes is None else codes).is_constant

    def _declare(self, tensor: Tensor) -> Tensor:
        self.tensors[tensor.name] = tensor
        return tensor

    def _is_free(self, name: str) -> bool:
        """No integer tensor has taken the name of a float one."""
        return all(t.name != name for t in self._codes.values())

    def _own_name(self, name: str) -> str:
        """The name of a tensor of the old graph for what it becomes; otherwise a new one."""
        is_float_of_the_graph = name in self._graph.tensors and name not in self._floats.values()
        return name if is_float_of_the_graph and self._is_free(name) else self._free(name)

    def _free(self, name: str) -> str:
        return _first_free(name, lambda n: n in self.tensors)

    def _check(self, op: Op) -> None:
        read = [self.tensors[n] for n in op.inputs]
        op.attributes.infer(read)
        op.attributes.check(read, [self.tensors[n] for n in op.outputs])

    def _emit(self, op: Op) -> None:
        """Append an operator under a name like its own that is still free."""
        name = _first_free(op.name, lambda n: n in self._used)
        self._used.add(name)
        self.ops.append(replace(op, name=name))


def _first_free(name: str, is_taken: Callable[[str], bool]) -> str:
    if not is_taken(name):
        return name
    number = 2
    while is_taken(f"{name}_{number}"):
        number += 1
    return f"{name}_{number}"
