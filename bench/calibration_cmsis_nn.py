"""The MLPerf Tiny networks as C that calls CMSIS-NN, to compare with cycles measured on silicon.

Layer shapes are those of the four int8 reference models; weights are pseudo-random, because
CMSIS-NN's cycles hardly depend on them. Left out: softmax and the interpreter.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable
from dataclasses import dataclass

_SCRATCH_BYTES = 32768
_CHECK = "!= ARM_CMSIS_NN_SUCCESS) { for (;;) { } }"


@dataclass(frozen=True)
class Layer:
    """One layer: kind, input height, width and channels, output ones, kernel, stride, sources."""

    kind: str
    source: tuple[int, int, int]
    result: tuple[int, int, int]
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1
    inputs: tuple[int, ...] = ()

    @property
    def padding(self) -> tuple[int, int]:
        """Rows above and columns left of the input, SAME padding."""
        rows, columns = (
            max(0, (out - 1) * self.stride + size - length) // 2
            for out, size, length in zip(self.result[:2], self.kernel, self.source[:2], strict=True)
        )
        return rows, columns

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        height, width, channels = self.result
        area = height * width * self.kernel[0] * self.kernel[1]
        each = {"conv": self.source[2] * channels, "depthwise": channels}
        if self.kind == "fc":
            return self.source[2] * channels
        return area * each.get(self.kind, 0)


def _conv(
    source: tuple[int, int, int], channels: int, kernel: tuple[int, int], stride: int = 1
) -> Layer:
    height, width = (-(-length // stride) for length in source[:2])
    return Layer("conv", source, (height, width, channels), kernel, stride)


def _depthwise(source: tuple[int, int, int], stride: int = 1) -> Layer:
    height, width = (-(-length // stride) for length in source[:2])
    return Layer("depthwise", source, (height, width, source[2]), (3, 3), stride)


def _tail(source: tuple[int, int, int], classes: int) -> list[Layer]:
    channels = source[2]
    pool = Layer("pool", source, (1, 1, channels), source[:2])
    return [pool, Layer("fc", (1, 1, channels), (1, 1, classes))]


def ad01() -> list[Layer]:
    """The autoencoder."""
    widths = [640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640]
    return [Layer("fc", (1, 1, a), (1, 1, b)) for a, b in itertools.pairwise(widths)]


def kws01() -> list[Layer]:
    """The DS-CNN."""
    layers = [_conv((49, 10, 1), 64, (10, 4), 2)]
    for _ in range(4):
        layers += [_depthwise((25, 5, 64)), _conv((25, 5, 64), 64, (1, 1))]
    return layers + _tail((25, 5, 64), 12)


def vww01() -> list[Layer]:
    """MobileNetV1 0.25 on 96 x 96 x 3."""
    layers = [_conv((96, 96, 3), 8, (3, 3), 2)]
    steps = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)]
    steps += [(128, 1)] * 5 + [(256, 2), (256, 1)]
    for channels, stride in steps:
        layers.append(_depthwise(layers[-1].result, stride))
        layers.append(_conv(layers[-1].result, channels, (1, 1)))
    return layers + _tail(layers[-1].result, 2)


def ic01() -> list[Layer]:
    """ResNet-8; a block is two 3 x 3 convolutions, a shortcut, and their sum."""
    layers = [_conv((32, 32, 3), 16, (3, 3))]
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        start = len(layers) - 1
        source = layers[-1].result
        layers.append(_conv(source, channels, (3, 3), stride))
        layers.append(_conv(layers[-1].result, channels, (3, 3)))
        first, second = len(layers) - 1, start
        if stride > 1:
            shortcut = _conv(source, channels, (1, 1), stride)
            layers.append(Layer("conv", source, shortcut.result, (1, 1), stride, inputs=(start,)))
            second = len(layers) - 1
        result = layers[-1].result
        layers.append(Layer("add", result, result, inputs=(first, second)))
    return layers + _tail(layers[-1].result, 10)


NETWORKS = {"ad01": ad01, "kws01": kws01, "vww01": vww01, "ic01": ic01}


@dataclass(frozen=True)
class EmittedNetwork:
    """C that runs a network layer by layer.

    Attributes:
        header: ``net.h``.
        source: ``net.c``.
        layers: names of the layer functions in call order.
        input_bytes: size of its input.
        output_bytes: size of its output.
        macs: multiply-accumulates of one inference.
    """

    header: str
    source: str
    layers: tuple[str, ...]
    input_bytes: int
    output_bytes: int
    macs: int


def emit(layers: list[Layer]) -> EmittedNetwork:
    """Write the C of a network; every activation has a place of its own in the arena."""
    rng = random.Random(1)
    sizes = [_size(layers[0].source), *(_size(layer.result) for layer in layers)]
    places = [0]
    for size in sizes:
        places.append(places[-1] + (size + 15) // 16 * 16)
    scratch = places[-1]
    functions, names = [], []
    for index, layer in enumerate(layers):
        sources = [places[at + 1] for at in layer.inputs] or [places[index]]
        name = f"net_{index}_{layer.kind}"
        names.append(name)
        body = _body(layer, index, sources, places[index + 1], rng)
        functions.append(
            f"__attribute__((noinline)) static void {name}(int8_t *a)\n{{\n"
            f"    cmsis_nn_context ctx = {{a + {scratch}, {_SCRATCH_BYTES}}};\n"
            f"    (void)ctx;\n{body}\n}}\n"
        )
    calls = " ".join(f"{name}(arena);" for name in names)
    source = "\n".join(
        [
            '#include "net.h"\n#include "arm_nnfunctions.h"',
            *functions,
            "void net_init(void *arena, void *state) { (void)arena; (void)state; }",
            "int8_t *net_input(void *arena, uint32_t i) { (void)i; return arena; }",
            "const int8_t *net_output(const void *arena, uint32_t i)",
            f"{{ (void)i; return (const int8_t *)arena + {places[len(layers)]}; }}",
            "enum midge_status net_run(void *arena, void *state)",
            f"{{ (void)state; {calls} return MIDGE_OK; }}\n",
        ]
    )
    return EmittedNetwork(
        header=harness_header("net", scratch + _SCRATCH_BYTES),
        source=source,
        layers=tuple(names),
        input_bytes=sizes[0],
        output_bytes=sizes[-1],
        macs=sum(layer.macs for layer in layers),
    )


def harness_header(name: str, arena_bytes: int) -> str:
    """The header that the virtual microcontroller's harness expects of a model."""
    upper = name.upper()
    return f"""#ifndef {upper}_H
#define {upper}_H
#include <stdint.h>
enum midge_status {{ MIDGE_OK = 0 }};
#define {upper}_ARENA_BYTES {arena_bytes}
#define {upper}_ARENA_ALIGN 16
#define {upper}_STATE_BYTES 0
void {name}_init(void *arena, void *state);
int8_t *{name}_input(void *arena, uint32_t index);
const int8_t *{name}_output(const void *arena, uint32_t index);
enum midge_status {name}_run(void *arena, void *state);
#endif
"""


def _size(shape: tuple[int, int, int]) -> int:
    return shape[0] * shape[1] * shape[2]


def _array(kind: str, name: str, values: Iterable[int]) -> str:
    return f"    static const {kind} {name}[] = {{{', '.join(map(str, values))}}};\n"


def _constants(layer: Layer, weights: int, rng: random.Random) -> str:
    channels = layer.result[2]
    text = _array("int8_t", "weight", (rng.randint(-127, 127) for _ in range(weights)))
    text += _array("int32_t", "bias", (rng.randint(-2000, 2000) for _ in range(channels)))
    if layer.kind != "fc":
        multipliers = (rng.randint(2**30, 2**31 - 1) for _ in range(channels))
        text += _array("int32_t", "multiplier", multipliers)
        text += _array("int32_t", "shift", (-rng.randint(6, 9) for _ in range(channels)))
    return text


def _body(layer: Layer, index: int, sources: list[int], result: int, rng: random.Random) -> str:
    del index
    (height, width, channels), (rows, columns, outputs) = layer.source, layer.result
    dims = (
        f"    const cmsis_nn_dims id = {{1, {height}, {width}, {channels}}};\n"
        f"    const cmsis_nn_dims od = {{1, {rows}, {columns}, {outputs}}};\n"
        f"    const cmsis_nn_dims bd = {{1, 1, 1, {outputs}}};\n    (void)bd;\n"
    )
    kernel = layer.kernel
    if layer.kind == "add":
        return (
            f"    if (arm_elementwise_add_s8(a + {sources[0]}, a + {sources[1]}, 5, 1500000000, -1,"
            f" 3, 1400000000, 0, 20, a + {result}, -3, 1600000000, -19, -128, 127,"
            f" {_size(layer.result)}) {_CHECK}"
        )
    if layer.kind == "pool":
        return dims + (
            f"    const cmsis_nn_pool_params p = {{{{{kernel[1]}, {kernel[0]}}}, {{0, 0}},"
            f" {{-128, 127}}}};\n"
            f"    const cmsis_nn_dims fd = {{1, {kernel[0]}, {kernel[1]}, 1}};\n"
            f"    if (arm_avgpool_s8(&ctx, &p, &id, a + {sources[0]}, &fd, &od, a + {result})"
            f" {_CHECK}"
        )
    if layer.kind == "fc":
        return (
            _constants(layer, channels * outputs, rng)
            + dims
            + "    const cmsis_nn_fc_params p = {5, 0, -3, {-128, 127}};\n"
            "    const cmsis_nn_per_tensor_quant_params q = {1500000000, -8};\n"
            f"    const cmsis_nn_dims fd = {{{channels}, 1, 1, {outputs}}};\n"
            f"    if (arm_fully_connected_s8(&ctx, &p, &q, &id, a + {sources[0]}, &fd, weight, &bd,"
            f" bias, &od, a + {result}) {_CHECK}"
        )
    depthwise = layer.kind == "depthwise"
    each = 1 if depthwise else channels
    filters = "1" if depthwise else str(outputs)
    last = outputs if depthwise else channels
    padding = layer.padding
    return (
        _constants(layer, kernel[0] * kernel[1] * each * outputs, rng)
        + dims
        + f"    const cmsis_nn_{'dw_' if depthwise else ''}conv_params p = {{.input_offset = 5,"
        f" .output_offset = -3, {'.ch_mult = 1, ' if depthwise else ''}"
        f".stride = {{{layer.stride}, {layer.stride}}}, .padding = {{{padding[1]}, {padding[0]}}},"
        " .dilation = {1, 1}, .activation = {-128, 127}};\n"
        "    const cmsis_nn_per_channel_quant_params q = {(int32_t *)(uintptr_t)multiplier,"
        " (int32_t *)(uintptr_t)shift};\n"
        f"    const cmsis_nn_dims fd = {{{filters}, {kernel[0]}, {kernel[1]}, {last}}};\n"
        f"    if (arm_{'depthwise_conv' if depthwise else 'convolve'}_wrapper_s8(&ctx, &p, &q, &id,"
        f" a + {sources[0]}, &fd, weight, &bd, bias, &od, a + {result}) {_CHECK}"
    )
