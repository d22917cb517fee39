"""Which tensors have codes, and what one step of each stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from midge.compress.calibrate import Observed
from midge.compress.observers import Histogram, affine, observed_range, of_array
from midge.compress.rules import OutputScale, Rule, rule_of, touches_reals, why_float
from midge.compress.settings import QuantizeSettings
from midge.errors import UnsupportedError, UserError
from midge.graph import DType, Graph, Op, Quantization

CONVERSIONS = ("quantize", "dequantize", "cast", "shape")
"""They stand between reals and other types; nothing is lost when they stay."""


@dataclass(frozen=True)
class Codes:
    """How a tensor of real numbers is held as integers.

    Attributes:
        dtype: int8 or int16.
        quantization: One scale and zero point.
    """

    dtype: DType
    quantization: Quantization


@dataclass(frozen=True)
class Annotations:
    """What is quantised, and how.

    Attributes:
        codes: Of the float tensors that stand as integers, by name; not of weights and biases.
        rules: Of the ops that compute with integers, by name.
        fixed: Tensors whose codes an operator or the user has fixed.
    """

    codes: Mapping[str, Codes]
    rules: Mapping[str, Rule]
    fixed: frozenset[str]


def annotate(graph: Graph, observed: Observed, settings: QuantizeSettings) -> Annotations:
    """Choose the integers of every tensor.

    Args:
        graph: A verified float graph.
        observed: What its tensors held.
        settings: What was asked for.

    Raises:
        UserError: `keep_float` names what is no operator, or `input_codes` what is no input that
            an operator of integers reads.
        UnsupportedError: operators would stay in float32 that nobody allowed to; all are named.
    """
    rules = _chosen_rules(graph, settings)
    given = {n: Quantization.per_tensor(*codes) for n, codes in settings.input_codes.items()}
    groups = _Groups(graph, rules, settings.activation_type, given)
    choose = observed_range(settings.observer, settings.percentile)
    histograms: dict[str, Histogram] = {}
    for name in groups.members:
        tensor = graph.tensors[name]
        constant = tensor.is_constant
        own = _of_constant(graph, name) if constant else observed.histograms[name]
        root = groups.root(name)
        histograms[root] = histograms[root].merge(own) if root in histograms else own
    by_root = {}
    for root, histogram in histograms.items():
        dtype = DType.INT8 if root in groups.int8 else settings.activation_type
        fixed = groups.fixed.get(root)
        # A constant's range is known, not a matter of luck: all of it has codes.
        known = graph.tensors[root].is_constant
        ends = (histogram.low, histogram.high) if known else choose(histogram, dtype)
        by_root[root] = Codes(dtype, fixed or affine(*ends, dtype))
    codes = {n: by_root[groups.root(n)] for n in groups.members}
    built_in = frozenset(n for n in groups.members if groups.root(n) in groups.fixed)
    return Annotations(codes, rules, built_in)


def _of_constant(graph: Graph, name: str) -> Histogram:
    try:
        return of_array(np.asarray(graph.tensors[name].data))
    except UserError as error:
        raise UserError(
            f"{graph.name}: constant {name!r} {error}; expected finite numbers"
        ) from None


def _chosen_rules(graph: Graph, settings: QuantizeSettings) -> dict[str, Rule]:
    """The rule of each op that is to compute with integers."""
    unknown = sorted(set(settings.keep_float) - {op.name for op in graph.ops})
    if unknown:
        raise UserError(
            f"{graph.name}: keep_float names {unknown}, which are no operators; those of this "
            f"network: {[op.name for op in graph.ops]}"
        )
    rules: dict[str, Rule] = {}
    refused = []
    for op in graph.ops:
        if not touches_reals(graph, op) or op.kind in CONVERSIONS or op.name in settings.keep_float:
            continue
        rule = rule_of(graph, op, settings.activation_type)
        if rule is not None:
            rules[op.name] = rule
        else:
            refused.append(
                f"{op.name!r} ({op.kind}): {why_float(graph, op, settings.activation_type)}"
            )
    if refused and not settings.allow_float:
        raise UnsupportedError(
            f"{graph.name}: {len(refused)} operators would compute in float32 in a network of "
            f"{settings.activations}:\n  "
            + "\n  ".join(refused)
            + "\nreplace them, name them in keep_float, or allow float operators altogether"
        )
    return rules


def activations(graph: Graph, op: Op, rule: Rule) -> tuple[str, ...]:
    """The op's float inputs but weights, biases and states."""
    return tuple(
        name
        for name in op.inputs[rule.activations]
        if name and graph.tensors[name].dtype is DType.FLOAT32
    )


class _Groups:
    """Tensors that must have one scale and zero point, as ops that move codes need it.

    Attributes:
        members: Every tensor that has codes, in the graph's order.
        fixed: Parameters that an operator has built in or an input comes with, by the group's root.
        int8: Roots of groups that are int8 whatever the activations are.
    """

    def __init__(
        self,
        graph: Graph,
        rules: Mapping[str, Rule],
        dtype: DType,
        given: Mapping[str, Quantization],
    ) -> None:
        self._graph = graph
        self._parents: dict[str, str] = {}
        # From the start, so that a tensor with other parameters does not join theirs.
        self.fixed: dict[str, Quantization] = dict(given)
        self.int8: set[str] = set()
        for op in graph.ops:
            if op.name in rules:
                self._enter(op, rules[op.name], dtype)
        self.members = [name for name in graph.tensors if name in self._parents]
        coded = [name for name in graph.inputs if name in self._parents]
        for name in given:
            if name not in coded:
                raise UserError(
                    f"{graph.name}: input_codes names {name!r}; inputs that operators of integers "
                    f"read: {coded}"
                )

    def root(self, name: str) -> str:
        """The tensor that stands for the group."""
        while self._parents[name] != name:
            name = self._parents[name]
        return name

    def _enter(self, op: Op, rule: Rule, dtype: DType) -> None:
        inputs = activations(self._graph, op, rule)
        outputs = tuple(n for n in op.outputs if self._graph.tensors[n].dtype is DType.FLOAT32)
        coded_outputs = () if rule.output is OutputScale.NONE else outputs
        for name in (*inputs, *coded_outputs):
            self._parents.setdefault(name, name)
        self.int8 |= {self.root(op.inputs[index]) for index in rule.codes_int8}
        if rule.output is OutputScale.FIXED:
            self.fixed |= dict.fromkeys(coded_outputs, rule.fixed_quantization(dtype))
        elif rule.output is OutputScale.SHARED:
            self._share(inputs, coded_outputs)

    def _share(self, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
        """One group, but for inputs whose built-in parameters the others do not have.

        Those are rescaled in front of the operator.
        """
        if not inputs:
            return
        fixed = [self.fixed.get(self.root(n)) for n in inputs]
        if any(f != fixed[0] for f in fixed):
            inputs = tuple(n for n, f in zip(inputs, fixed, strict=True) if f is None)
        together = (*inputs, *outputs)
        for name in together[1:]:
            self._join(together[0], name)

    def _join(self, first: str, second: str) -> None:
        a, b = self.root(first), self.root(second)
        self._parents[b] = a
        if b in self.fixed and a != b:
            self.fixed[a] = self.fixed.pop(b)
