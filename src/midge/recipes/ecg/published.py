"""Other people's figures, as printed, beside which the report puts its own."""

from __future__ import annotations

from midge.recipes.ecg.report_data import Published

CLASSIFIERS = (
    Published(
        "de Chazal, O'Dwyer, Reilly 2004",
        "two leads, reference beat positions",
        83.0,
        {"N": 87, "S": 76, "V": 77},
        {"N": 99, "S": 38, "V": 82},
    ),
    Published(
        "Ye, Kumar, Coimbra 2012",
        "two leads, reference beat positions",
        86.4,
        {"N": 88, "S": 60, "V": 81},
        {"N": 97, "S": 53, "V": 63},
    ),
    Published(
        "Farag 2023 (Sensors 23:1365)",
        "a 15 KB network, reference beat positions; F1 92.2",
        98.2,
        {"S": 85.3, "V": 96.3},
        {},
    ),
)
"""On the split of de Chazal: DS1 trains, DS2 tests."""

DETECTORS = (
    Published(
        "Pan and Tompkins 1985",
        "48 records, the paced ones too; 0.675 % of the beats missed or false",
        None,
        {"all": 99.76},
        {"all": 99.56},
    ),
    Published(
        "Hamilton and Tompkins 1986",
        "48 records; 0.54 % missed or false",
        None,
        {"all": 99.69},
        {"all": 99.77},
    ),
    Published("Christov 2004", "48 records", None, {"all": 99.74}, {"all": 99.65}),
    Published("Kim and Shin 2016", "as they count", None, {"all": 99.90}, {"all": 99.91}),
)
"""As their authors count; `bench/ecg_detector.py` has the same with sources."""
