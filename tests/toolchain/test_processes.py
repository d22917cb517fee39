from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from midge.errors import ToolError
from midge.processes import TimedOutError, install_hint, run


def test_run_returns_status_and_both_streams() -> None:
    program = "import sys; print(sys.stdin.read()); print('x', file=sys.stderr); sys.exit(3)"
    done = run([sys.executable, "-c", program], timeout_s=60, input=b"hello")
    assert done.returncode == 3
    assert done.stdout_text.strip() == "hello"
    assert done.stderr_text.strip() == "x"


def test_run_adds_to_the_environment_and_changes_the_folder(tmp_path: Path) -> None:
    program = "import os; print(os.environ['MIDGE_X'], 'PATH' in os.environ, os.getcwd())"
    done = run([sys.executable, "-c", program], timeout_s=60, env={"MIDGE_X": "7"}, cwd=tmp_path)
    assert done.stdout_text.split() == ["7", "True", str(tmp_path.resolve())]


def test_run_without_input_gives_an_empty_standard_input() -> None:
    done = run([sys.executable, "-c", "import sys; print(len(sys.stdin.read()))"], timeout_s=60)
    assert done.stdout_text.strip() == "0"


def test_missing_program_says_how_to_get_it() -> None:
    with pytest.raises(ToolError, match="not-a-program-of-midge: program not found; install it"):
        run(["not-a-program-of-midge"], timeout_s=1)
    assert "apt-get install gcc-arm-none-eabi" in install_hint("arm-none-eabi-gcc")
    assert "apt-get install qemu-system-arm" in install_hint("/usr/bin/qemu-system-arm")


def test_missing_working_directory_is_told_apart_from_a_missing_program(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"its working directory .*gone does not exist"):
        run([sys.executable, "-c", ""], timeout_s=60, cwd=tmp_path / "gone")


def test_file_that_is_no_program_is_a_tool_error(tmp_path: Path) -> None:
    file = tmp_path / "text"
    file.write_text("not a program")
    with pytest.raises(ToolError, match="cannot be started"):
        run([file], timeout_s=1)


def test_time_out_kills_the_children_too(tmp_path: Path) -> None:
    note = tmp_path / "child"
    child = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with pytest.raises(TimedOutError, match=r"did not end within 3 s and was killed"):
        run([sys.executable, "-c", parent], timeout_s=3)
    assert _ended(int(note.read_text()))


def _ended(pid: int) -> bool:
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        state = Path(f"/proc/{pid}/stat")
        if state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True  # killed; whoever adopted it has not collected it yet
        time.sleep(0.05)
    return False
