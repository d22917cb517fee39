"""Contents of compression reports as `Report.to_json` gives them, made by hand, with pictures."""

from __future__ import annotations

import copy
from typing import Any

Json = dict[str, Any]


def layer(name: str, **fields: Any) -> Json:
    """A row of a report: a convolution of int8 of which nothing stands out."""
    return {
        "name": name,
        "kind": "conv_2d",
        "shape": [1, 8, 8, 4],
        "dtype": "int8",
        "weights_dtype": "int8",
        "snr_db": 38.2,
        "own_snr_db": 39.9,
        "low": 0.0,
        "high": 2.4,
        "code_low": 0.0,
        "code_high": 2.55,
        "scale": 0.01,
        "zero_point": -128,
        "clipped": 0.0,
        "saturated": 0.3,
        "dead_channels": None,
        "channels": 4,
        "weights_bytes": 160,
        "float_weights_bytes": 592,
        "cost_db": None,
        **fields,
    }


def picture(name: str, **fields: Any) -> Json:
    """What is drawn of that layer."""
    return {
        "name": name,
        "low": 0.0,
        "high": 2.55,
        "codes": [0.0, 2.55],
        "scale": 0.01,
        "float": [900, *([20] * 40), *([3] * 19), 0, 0, 0, 0],
        "integer": [905, *([20] * 40), *([3] * 18), 0, 0, 0, 0, 0],
        "inner": [0.0, 2.1],
        "channels": [[0.0, 2.4], [0.0, 1.9], [0.0, 2.1], [0.0, 0.0]],
        "channels_before": None,
        "weights": {
            "dtype": "int8",
            "stored": [0.5, 0.25, 1.0, 0.75],
            "float": [0.5, 0.5, 1, 0.75],
        },
        **fields,
    }


def remedy(change: str, name: str, gain_db: float | None, extra_bytes: int) -> Json:
    """A change that was measured."""
    return {
        "change": change,
        "layer": name,
        "snr_db": 40.0,
        "gain_db": gain_db,
        "top1": 0.96875,
        "accuracy": None,
        "extra_bytes": extra_bytes,
    }


def quantized() -> Json:
    """Of a network of three layers, with labels, a device and pictures."""
    return {
        "format": 1,
        "model": "digits",
        "settings": {
            "weights": "int8",
            "activations": "int8",
            "observer": "mse",
            "percentile": 99.99,
            "equalization": True,
            "keep_float": [],
        },
        "calibration_samples": 256,
        "evaluation_samples": 400,
        "evaluated_on_calibration": False,
        "layers": [
            layer("stem", cost_db=0.4, clipped=0.0123),
            layer("gate", kind="logistic", snr_db=33.0, high=0.5, code_high=0.99, scale=1 / 256),
            layer(
                "head",
                kind="fully_connected",
                shape=[1, 10],
                weights_dtype="int4",
                own_snr_db=31.0,
                snr_db=30.5,
                cost_db=2.5,
            ),
        ],
        "weights_bytes": 1_000,
        "float_weights_bytes": 4_000,
        "float_vs_integer": {
            "snr_db": 30.5,
            "cosine": 0.99912,
            "top1": 0.9925,
            "largest_error": 0.31,
        },
        "integer_vs_device": {"snr_db": None, "cosine": 1.0, "top1": 1.0, "largest_error": 0.0},
        "accuracy": {"float": 0.95, "integer": 0.942, "device": 0.9375},
        "costliest": ["head", "stem"],
        "remedies": [
            remedy("keep_float=['head']", "head", 2.5, 960),
            remedy("keep_float=['stem']", "stem", -0.04, -12),
            remedy("activations='int16'", "", None, 296),
        ],
        "equalized": ["stem"],
        "notes": ["calibrated on few samples"],
        "pictures": {
            "layers": [
                picture("stem", channels_before=[[0.0, 9.6], [0.0, 1.9], [0.0, 2.1], [0.0, 0.0]]),
                picture("gate", weights=None, inner=[0.1, 0.2], scale=1 / 256),
                picture("head", low=-1.0, high=4.0, channels=[[-1.0, 2.4], [0.0, 0.05]]),
            ],
            "outputs": {
                "name": "y",
                "elements": 4_000,
                "points": [[-3.0, -2.9], [0.0, 0.1], [5.0, 5.0]],
            },
            "answers": {
                "counts": [[38, 1], [2, 359]],
                "right": {"both": 375, "float": 5, "integer": 2, "neither": 18},
            },
        },
    }


def _inspected() -> Json:
    """Of integers alone."""
    content = quantized()
    for row in content["layers"]:
        for field in ("snr_db", "own_snr_db", "low", "high", "clipped", "cost_db"):
            row[field] = None
        row["dead_channels"] = 1
    for drawn in content["pictures"]["layers"]:
        drawn |= {"float": None, "inner": None, "channels": None, "channels_before": None}
    content["pictures"] |= {"outputs": None, "answers": None}
    return content | {
        "settings": {},
        "calibration_samples": 0,
        "float_weights_bytes": None,
        "float_vs_integer": None,
        "integer_vs_device": None,
        "accuracy": None,
        "costliest": [],
        "remedies": [],
        "equalized": [],
        "notes": ["no float network is given to compare with"],
    }


def _plain() -> Json:
    content = quantized()
    del content["pictures"]
    return content


def _long() -> Json:
    """Forty layers with the names that TensorFlow makes."""
    content = quantized()
    names = [f"net/relu_{i}/Relu;net/bn_{i}/Fused;net/conv_{i}/Conv2D" for i in range(40)]
    content["layers"] = [layer(name, own_snr_db=60.0 - i) for i, name in enumerate(names)]
    content["pictures"]["layers"] = [picture(name) for name in names]
    return content | {"costliest": [], "remedies": [], "equalized": names}


def _extreme() -> Json:
    """Values at float32's ends, flat ones, a layer in float32, sums of int16."""
    content = quantized()
    largest = 3.4028234663852886e38
    content["layers"] += [
        layer("floats", dtype="float32", code_low=None, code_high=None, scale=None, clipped=None),
        layer("sixteen", dtype="int16", low=-largest, high=largest, scale=1e-30),
    ]
    content["pictures"]["layers"] += [
        picture("floats", low=-largest, high=largest, codes=None, scale=None, channels=None),
        picture(
            "sixteen",
            inner=[-largest, largest],
            channels=[[-largest, largest], [0, 0]],
            weights={"dtype": "int8", "stored": [0.0, 0.0], "float": None},
        ),
    ]
    content["pictures"]["outputs"]["points"] = [[1e20, 1e20], [1e20, 1e20]]
    return content


SAMPLES: dict[str, Json] = {
    "quantised": quantized(),
    "inspected": _inspected(),
    "without pictures": _plain(),
    "forty layers": _long(),
    "extreme": _extreme(),
    "equal": quantized()
    | {"float_vs_integer": {"snr_db": None, "cosine": 1.0, "top1": None, "largest_error": 0.0}},
}


def sample(name: str) -> Json:
    """A copy of one of them."""
    return copy.deepcopy(SAMPLES[name])
