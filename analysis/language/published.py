"""SysNoise's table 5 as printed: language models on four tasks, accuracy in FP32 and what FP16 and INT8 take."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from analysis.papers.published import SYSNOISE

if TYPE_CHECKING:
    import pandas as pd

SOURCE = f"{SYSNOISE}, table 5, section 4.2"
TASKS = {"piqa": "PIQA", "lambada": "LAMBADA", "hellaswag": "HellaSwag", "winogrande": "WINOGRANDE"}

# Accuracy in %, then the differences in points, FP32 minus the other: more is worse.
_PAPER = """
architecture,task,fp32,fp16,int8
OPT-125M,piqa,63.00,0.05,-0.06
OPT-125M,lambada,37.90,0.04,0.37
OPT-125M,hellaswag,29.20,0.01,0.15
OPT-125M,winogrande,50.28,0.00,-0.31
OPT-350M,piqa,64.36,-0.11,-0.33
OPT-350M,lambada,45.16,0.00,-0.10
OPT-350M,hellaswag,32.04,0.00,0.05
OPT-350M,winogrande,52.33,-0.08,0.24
OPT-1.3B,piqa,71.71,-0.05,0.16
OPT-1.3B,lambada,58.06,0.07,0.19
OPT-1.3B,hellaswag,41.45,-0.03,0.08
OPT-1.3B,winogrande,59.67,0.00,-0.24
OPT-2.7B,piqa,73.78,0.06,0.16
OPT-2.7B,lambada,63.65,0.09,0.02
OPT-2.7B,hellaswag,45.85,-0.01,0.01
OPT-2.7B,winogrande,61.01,0.00,0.00
OPT-6.7B,piqa,76.06,0.16,0.22
OPT-6.7B,lambada,67.61,0.06,0.33
OPT-6.7B,hellaswag,50.46,0.01,0.03
OPT-6.7B,winogrande,65.04,0.00,0.48
OPT-13B,piqa,75.90,0.11,0.06
OPT-13B,lambada,68.72,0.07,0.29
OPT-13B,hellaswag,52.44,-0.02,0.01
OPT-13B,winogrande,65.11,0.00,0.39
OPT-30B,piqa,77.69,0.11,0.16
OPT-30B,lambada,71.47,0.02,0.00
OPT-30B,hellaswag,54.29,-0.01,0.01
OPT-30B,winogrande,68.19,0.02,0.23
"""


def language_rows() -> pd.DataFrame:
    """Every printed value: architecture, task (a key of TASKS), fp32 (accuracy, %), fp16 and int8 (points lost)."""
    import pandas as pd

    return pd.read_csv(io.StringIO(_PAPER))
