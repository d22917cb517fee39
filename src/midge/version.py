"""The version, as it stands in emitted files and reports."""

VERSION = "0.1.0"
