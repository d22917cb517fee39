"""The pictures of docs/learner.md: ``python -m bench.adapt_pictures``. Needs MIDGE_DATA."""

from __future__ import annotations

from bench.mlperf_tiny import REPOSITORY
from midge.adapt.benchmark.pictures import documentation_pictures
from midge.driver.learner_host import fastest_engine
from midge.files import write_files

FOLDER = REPOSITORY / "docs" / "pictures"


def main() -> None:
    """Draw them all."""
    drawn = documentation_pictures(None, fastest_engine())
    write_files(str(FOLDER), {name: f"<!-- Midge -->\n{svg}\n" for name, svg in drawn.items()})


if __name__ == "__main__":
    main()
