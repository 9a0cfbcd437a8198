"""SysNoise's table 4 as it is printed: what each noise takes from the mIoU of three models on Cityscapes, in points.

Copied, nothing worked out; a missing number is not printed. Decode and resize are mean and, as _max, largest.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SOURCE = "table 4, section 4.2"
BESIDE = "DeepLabV3 ResNet-50"  # stands beside each of our rows: the nearest of its models to a DeepLab of a phone

_TABLE_4 = """
architecture,trained,decode,decode_max,resize,resize_max,colour,upsample,int8,ceil,combined
DeepLabV3 ResNet-50,78.05,0.001,0.001,0.02,0.04,0.02,3.06,0.01,4.02,4.51
DeepLabV3 ResNet-101,79.88,0.001,0.001,0.01,0.02,0.02,3.85,0.01,4.65,5.11
U-Net,61.98,0.003,0.005,0.04,0.06,0.04,2.74,0.02,,2.85
"""


def segmentation_rows() -> pd.DataFrame:
    """Every row of table 4: architecture, trained (mIoU, %), and what each noise takes in points; NaN for none."""
    import pandas as pd

    return pd.read_csv(io.StringIO(_TABLE_4))
