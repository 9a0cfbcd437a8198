"""Run the benchmarks named, or all of them, and print one line a figure."""

import importlib
import sys

NAMES = (
    "command_line",
    "transfer",
    "controller",
    "demo",
    "grid",
    "task_grid",
    "detection_precision",
    "differential",
    "isp",
    "corruptions",
    "suites",
    "memory",
    "analysis",
    "report",
    "mutations",
    "training",
    "training_schemes",
    "batch",
)

if __name__ == "__main__":
    for name in sys.argv[1:] or NAMES:
        if name not in NAMES:
            raise SystemExit(f"benchmarks: unknown '{name}'; known: {', '.join(NAMES)}")
        print(f"== {name}", flush=True)
        for line in importlib.import_module(f"benchmarks.{name}").bench():
            print(line, flush=True)
