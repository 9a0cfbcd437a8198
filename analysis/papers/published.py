"""Values as the papers print them, to stand beside ours; every number is copied, none is worked out.

Sizes are in MB and accuracies in percent; a delta is in percentage points, trained minus noisy, so that more is worse.
The texts at hand have no page numbers, so a value is cited by table and section.

On SysNoise's spread. The paper prints the mean over a noise's variants and the largest; the README prints mean +- a
number that it does not name. It is the sample standard deviation (n - 1): accuracies on 50,000 pictures are multiples
of 0.002 points, so that three decoders can have only some spreads, and eight of the README's twelve rows from ResNet-18
on (such as ResNet-50's 3.46E-03 = 0.006 / sqrt(3)) are possible with n - 1 and impossible with n. The paper's tables 6
and 7 use n - 1 too. In the README's first three rows decode and resize seem to be swapped: around a mean of 1.67 with a
largest of 1.76 (the paper's row) three decoders cannot spread by 0.968; swapped, the numbers are possible.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

INSTABILITY = "Cidon et al., Characterizing and Taming Model Instability Across Edge Devices (MLSys 2021)"
SYSNOISE = "SysNoise: Exploring and Benchmarking Training-Deployment System Inconsistency (the paper)"
SYSNOISE_README = "SysNoise's README, ImageNet classification"


@dataclass(frozen=True)
class Condition:
    """One column of the instability paper's tables 2 to 4: mean file size in MB (None: not printed), accuracy in %."""

    size_mb: float | None
    accuracy_percent: float


@dataclass(frozen=True)
class Comparison:
    """One of the instability paper's tables: where it stands, its columns by name, and the instability in %."""

    source: str
    conditions: dict[str, Condition]
    instability_percent: float


COMPARISONS = {
    "paper-2": Comparison(
        f"{INSTABILITY}, table 2, section 5.1",
        {"JPEG 100": Condition(3.05, 54.0), "JPEG 85": Condition(0.65, 54.3), "JPEG 50": Condition(0.25, 54.5)},
        7.6,
    ),
    "paper-3": Comparison(
        f"{INSTABILITY}, table 3, section 5.2",
        {
            "JPEG": Condition(1.54, 53.9),
            "PNG": Condition(6.49, 53.9),
            "WEBP": Condition(0.29, 55.2),
            "HEIF": Condition(0.57, 54.4),
        },
        9.66,
    ),
    "paper-4": Comparison(
        f"{INSTABILITY}, table 4, section 6",
        {"ImageMagick": Condition(None, 54.75), "Adobe Photoshop": Condition(None, 49.96)},
        14.11,
    ),
}

# SysNoise's table 2 (section 4.2): top-1 accuracy, then deltas; _max is the number in brackets.
_PAPER = """
architecture,family,trained,decode,decode_max,resize,resize_max,colour,fp16,int8,ceil,combined
MCUNet-293KB,MCUNet,63.40,0.41,0.42,4.02,9.31,0.20,0.01,0.04,,9.97
ResNet18x0.25,ResNet,48.96,1.98,2.12,2.11,3.71,0.14,-0.01,0.82,2.34,6.61
ResNet18x0.5,ResNet,61.64,1.67,1.76,1.76,3.25,0.19,-0.01,0.15,2.72,6.10
ResNet-18,ResNet,69.96,1.02,1.03,1.01,2.05,0.13,0.00,0.20,2.40,4.97
ResNet-34,ResNet,73.59,0.99,1.00,0.77,1.67,0.14,0.00,0.04,0.85,4.25
ResNet-50,ResNet,76.39,0.98,0.98,0.75,1.69,0.09,0.00,0.06,1.24,3.95
ResNet-101,ResNet,78.10,0.68,0.69,0.62,1.47,0.24,0.01,0.69,0.75,4.50
MobileNetV2-0.5,MobileNetV2,64.94,1.98,2.00,2.04,3.14,0.18,0.01,0.57,,5.81
MobileNetV2-0.75,MobileNetV2,70.26,1.39,1.39,1.47,2.56,0.16,0.01,0.72,,5.58
MobileNetV2-1,MobileNetV2,73.12,1.39,1.39,1.48,2.43,0.07,0.02,0.77,,5.03
MobileNetV2-1.4,MobileNetV2,75.84,1.01,1.02,1.65,2.15,0.10,0.01,0.53,,5.04
RegNetX-400M,RegNetX,70.97,1.63,1.63,1.42,2.65,0.07,0.01,0.09,,5.70
RegNetX-800M,RegNetX,74.04,1.12,1.14,0.97,2.00,0.19,0.02,0.24,,4.38
RegNetX-1.6G,RegNetX,76.29,0.84,0.85,0.79,1.88,0.20,0.01,0.19,,4.15
RegNetX-3.2G,RegNetX,77.89,0.61,0.62,0.53,1.42,0.20,0.00,0.24,,3.70
EfficientNet-B0,EfficientNet,76.83,0.75,0.76,1.70,3.79,0.15,0.03,0.19,,4.39
EfficientNet-B1,EfficientNet,78.13,0.57,0.58,1.18,2.84,0.26,0.01,0.39,,3.26
EfficientNet-B2,EfficientNet,79.97,0.57,0.58,1.13,2.31,0.05,0.04,0.41,,3.10
EfficientNet-B3,EfficientNet,82.03,0.71,0.72,0.99,1.74,0.16,0.05,0.38,,2.65
EfficientNet-B4,EfficientNet,83.43,0.29,0.30,0.45,0.93,0.17,0.02,0.26,,2.32
ViT-Tiny,ViT,75.61,1.04,1.04,0.99,1.79,0.46,0.01,0.68,,3.21
ViT-Small,ViT,81.58,0.57,0.58,0.37,1.01,0.80,-0.01,0.80,,2.68
Vit-Base,ViT,84.63,0.61,0.62,0.43,0.74,0.93,-0.01,1.12,,2.89
Swin-Tiny,Swin,81.32,0.18,0.19,0.42,1.76,1.21,0.00,0.76,,4.93
Swin-Small,Swin,83.03,0.18,0.18,0.23,1.33,1.00,0.00,0.45,,3.51
Swin-Base,Swin,83.54,0.11,0.30,0.21,1.27,0.97,-0.01,0.55,,3.59
"""

# The README's table; _std is the number after +-. It has no column for all noises combined.
_README = """
architecture,family,trained,decode,decode_std,resize,resize_std,colour,fp16,int8,ceil
ResNet18x0.125,ResNet,33.62,2.10,5.86E-01,2.26,1.21E-02,0.15,-0.01,1.16,2.97
ResNet18x0.25,ResNet,48.96,1.98,1.01E+00,2.11,1.56E-01,0.14,-0.01,0.82,2.34
ResNet18x0.5,ResNet,61.64,1.67,9.68E-01,1.76,5.03E-03,0.19,-0.01,0.15,2.72
ResNet-18,ResNet,69.96,1.02,1.30E-02,1.01,6.60E-01,0.13,0.00,0.20,2.40
ResNet-34,ResNet,73.59,0.99,8.00E-03,0.77,5.57E-01,0.14,0.00,0.04,0.85
ResNet-50,ResNet,76.39,0.98,3.46E-03,0.75,5.67E-01,0.09,0.00,0.06,1.24
ResNet-101,ResNet,78.10,0.68,8.72E-03,0.62,5.02E-01,0.24,0.01,0.69,0.75
MobileNetV2-0.5,MobileNetV2,64.94,2.34,2.50E-02,2.04,9.16E-01,0.18,0.01,0.57,
MobileNetV2-0.75,MobileNetV2,70.26,1.67,6.43E-03,1.47,8.00E-01,0.16,0.01,0.72,
MobileNetV2-1,MobileNetV2,73.12,1.70,6.43E-03,1.48,8.76E-01,0.07,0.02,0.77,
MobileNetV2-1.4,MobileNetV2,75.84,1.85,2.73E-02,1.65,8.98E-01,0.10,0.01,0.53,
RegNetX-400M,RegNetX,70.97,1.63,1.40E-02,1.42,7.79E-01,0.07,0.01,0.09,
RegNetX-800M,RegNetX,74.04,1.12,1.44E-02,0.97,6.24E-01,0.19,0.02,0.24,
RegNetX-1.6G,RegNetX,76.29,0.84,1.01E-02,0.79,6.98E-01,0.20,0.01,0.19,
RegNetX-3.2G,RegNetX,77.89,0.61,1.10E-02,0.53,5.34E-01,0.20,0.00,0.24,
"""


@dataclass(frozen=True)
class Noise:
    """One column of SysNoise's table 1 (section 3.4): number is its number of categories."""

    noise: str
    stage: str
    input_dependent: bool
    level: str
    number: int


NOISES = {
    "decoder": Noise("Decoder", "pre-processing", False, "high", 4),
    "resizer": Noise("Resize", "pre-processing", False, "very high", 11),
    "colour": Noise("Color Space", "pre-processing", True, "middle", 2),
    "ceil": Noise("Ceil Mode", "model inference", False, "high", 2),
    "upsample": Noise("Upsample", "model inference", False, "very high", 2),
    "precision": Noise("Data Prec.", "model inference", True, "high", 3),
    "proposal": Noise("Detection Proposal", "post-processing", False, "middle", 2),
}

# The zoo's models and the architecture whose published rows stand beside them.
ARCHITECTURES = {"mobilenet-v2": "MobileNetV2-1"}


def sysnoise_rows() -> pd.DataFrame:
    """Every printed classification row, the README's beside the paper's: source ("paper" or "README") and the columns.

    Columns: source, architecture, family, trained (top-1 accuracy, %), decode, decode_max, decode_std, resize,
    resize_max, resize_std, colour, fp16, int8, ceil, combined (points); NaN where a source prints none.
    """
    import pandas as pd

    parts = [
        pd.read_csv(io.StringIO(text)).assign(source=source)
        for source, text in (("paper", _PAPER), ("README", _README))
    ]
    rows = pd.concat(parts, ignore_index=True)
    spread = [f"{noise}{suffix}" for noise in ("decode", "resize") for suffix in ("", "_max", "_std")]
    return rows[["source", "architecture", "family", "trained", *spread, "colour", "fp16", "int8", "ceil", "combined"]]
