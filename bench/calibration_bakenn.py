"""Let bakenn 1.0.0 write the C of the networks that its repository publishes cycles for.

Runs in an environment that has bakenn, not in Midge's: ``python calibration_bakenn.py FOLDER``
makes one folder a build. The networks are those of bakenn's own measurements on an nRF52840
(``benchmarks/tflm_compare/results`` in its repository), down to the weights, because requantisation
branches on the sign of its input.
"""

from __future__ import annotations

import sys
from pathlib import Path

import bakenn
import numpy as np
from bakenn.ir import (
    Conv2DOp,
    DType,
    Layout,
    LinearOp,
    PerAxisQParams,
    PerTensorQParams,
    QuantizedGraph,
    TensorType,
)


def _per_channel(scales: list[float]) -> PerAxisQParams:
    return PerAxisQParams(tuple(scales), (0,) * len(scales), 0)


def fully_connected() -> QuantizedGraph:
    """32 -> 16 -> 4, one weight scale a layer (experiment 447626)."""
    qparams = PerTensorQParams(0.03125, -3)
    values = {"input": TensorType((1, 32), DType.INT8, Layout.NC, qparams)}
    constants, ops, current = {}, [], "input"
    for index, (inputs, outputs) in enumerate(((32, 16), (16, 4))):
        weight_scale = 0.0078125 * (index + 1)
        steps = np.arange(inputs * outputs) * (7 + index) + 3
        constants[f"w{index}"] = (steps % 41 - 20).reshape(outputs, inputs).astype(np.int8)
        constants[f"b{index}"] = (np.arange(outputs) * 31 - 79).astype(np.int32)
        values[f"w{index}"] = TensorType(
            (outputs, inputs), DType.INT8, Layout.OI, _per_channel([weight_scale] * outputs)
        )
        values[f"b{index}"] = TensorType(
            (outputs,),
            DType.INT32,
            Layout.C,
            _per_channel([float(np.float32(qparams.scale * weight_scale))] * outputs),
        )
        qparams = PerTensorQParams(0.046875 * (index + 1), -5 + index)
        result = f"y{index}"
        values[result] = TensorType((1, outputs), DType.INT8, Layout.NC, qparams)
        lowest = qparams.zero_point if index == 0 else -128
        ops.append(
            LinearOp(
                f"fc{index}",
                current,
                f"w{index}",
                f"b{index}",
                result,
                activation_min=lowest,
                activation_max=127,
            )
        )
        current = result
    return QuantizedGraph(
        name="fully_connected",
        values=values,
        constants=constants,
        ops=tuple(ops),
        inputs=("input",),
        outputs=(current,),
    )


def smoke() -> QuantizedGraph:
    """32 -> 16 -> 4, quantised by bakenn with a scale a channel (experiment 447609)."""

    def layer(count: int, period: float, divisor: float, shape: tuple[int, int]) -> np.ndarray:
        steps = np.arange(count, dtype=np.float32) % period
        return ((steps - (period - 1) / 2) / divisor).reshape(shape).astype(np.float32)

    model = bakenn.FloatMLP(
        (
            bakenn.FloatLinear(
                layer(512, 17.0, 16.0, (16, 32)),
                np.linspace(-0.125, 0.125, 16, dtype=np.float32),
                True,
                "hidden",
            ),
            bakenn.FloatLinear(
                layer(64, 11.0, 12.0, (4, 16)),
                np.asarray([0.0, 0.125, -0.125, 0.0625], dtype=np.float32),
                False,
                "output",
            ),
        ),
        "smoke",
    )
    ramp = np.linspace(-1.0, 1.0, 32, dtype=np.float32)
    wave = np.sin(np.arange(32, dtype=np.float32))
    return bakenn.quantize_ptq(model, np.stack((ramp, -ramp, wave)))


def convolution() -> QuantizedGraph:
    """4 x 4 x 1 -> 4 x 4 x 2, 3 x 3 SAME with ReLU (experiment 447609)."""
    source, result = PerTensorQParams(0.25, -3), PerTensorQParams(0.5, 1)
    scales = [0.125, 0.25]
    weight = ((np.arange(18) * 5 + 1) % 19 - 9).reshape(2, 3, 3, 1).astype(np.int8)
    return QuantizedGraph(
        name="convolution",
        values={
            "input": TensorType((1, 4, 4, 1), DType.INT8, Layout.NHWC, source),
            "w": TensorType((2, 3, 3, 1), DType.INT8, Layout.OHWI, _per_channel(scales)),
            "b": TensorType(
                (2,), DType.INT32, Layout.C, _per_channel([source.scale * s for s in scales])
            ),
            "y": TensorType((1, 4, 4, 2), DType.INT8, Layout.NHWC, result),
        },
        constants={"w": weight, "b": np.asarray([4, -7], dtype=np.int32)},
        ops=(Conv2DOp("conv", "input", "w", "b", "y", padding=(1, 1, 1, 1), activation_min=1),),
        inputs=("input",),
        outputs=("y",),
    )


BUILDS = {
    "fc_portable": (fully_connected, "portable", False),
    "fc_cmsis_nn": (fully_connected, "require_optimized", True),
    "smoke_portable": (smoke, "portable", False),
    "smoke_smlad": (smoke, "require_optimized", False),
    "conv_portable": (convolution, "portable", False),
}


def main() -> None:
    """Write every build into the folder named on the command line."""
    folder = Path(sys.argv[1])
    target = bakenn.resolve_target("cortex-m4")
    for name, (network, policy, cmsis_nn) in BUILDS.items():
        bakenn.compile(
            network(),
            folder / name,
            model_name="net",
            target=target,
            backend_options=bakenn.CBackendOptions(
                kernel_policy=bakenn.KernelPolicy(policy), enable_cmsis_nn=cmsis_nn, target=target
            ),
        )


if __name__ == "__main__":
    main()
