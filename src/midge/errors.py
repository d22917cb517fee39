"""Everything that Midge raises on purpose.

::

    MidgeError
    ├── UserError          the input is at fault: a bad model, shape, option or folder
    │   ├── UnsupportedError   the model needs something that Midge does not have yet
    │   └── DoesNotFitError    the program is larger than the board's RAM or flash
    ├── ToolError          a program or library that Midge needs is missing or failed
    └── InternalError      Midge broke one of its own invariants: a defect to report

A message says where, what was found, what was expected, and what to do next. The command line
prints it after ``midge: error:`` and exits with the class's ``exit_code``; a traceback never
reaches a user.
"""

from __future__ import annotations


class MidgeError(Exception):
    """Base of every error that Midge raises on purpose."""

    exit_code = 1


class UserError(MidgeError):
    """The input is at fault; the message says where and how to mend it."""

    exit_code = 2


class UnsupportedError(UserError):
    """The model needs an operator, type or attribute that Midge does not have."""


class DoesNotFitError(UserError):
    """The program does not fit the board; the message says by how much and what holds the space."""


class ToolError(MidgeError):
    """A compiler, emulator or library is missing or failed; the message says how to get it."""

    exit_code = 3


class InternalError(MidgeError):
    """An invariant of Midge itself does not hold; the message says which, and after what step."""

    exit_code = 4
