"""Figures and long sweeps, apart from the tests: counts, comparisons, no verdict on time.

``python -m bench.table`` writes the tables, ``python -m bench.peers`` the other compilers',
``python -m bench.soak`` the sweeps, ``python -m bench.mutants`` faults in the kernels that no test
would notice, ``python -m bench.fuzz_tflite`` spoiled files; all into ``bench/results``.
"""
