"""SysNoise's table 3 as it is printed: what each noise takes from the mAP of five detectors on COCO, in points.

Copied, nothing worked out; a missing number is not printed. Decode and resize are mean and, as _max, largest; the
largest of ResNet-50's decode is printed below its mean. mAP is COCO's, over overlaps 0.5 to 0.95.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SOURCE = "table 3, section 4.2"
BESIDE = "RetinaNet ResNet-50"  # stands beside each of our rows: one stage, dense heads on a pyramid, as ours

_TABLE_3 = """
architecture,trained,decode,decode_max,resize,resize_max,colour,upsample,int8,ceil,post,combined
Faster RCNN ResNet-34,36.76,0.02,0.04,0.93,2.63,0.25,1.28,0.06,2.50,2.29,10.25
Faster RCNN ResNet-50,37.36,0.02,0.01,1.12,3.15,0.10,1.66,0.10,3.14,2.39,10.67
Faster RCNN MobileNetV2,30.32,0.01,0.01,0.38,1.14,0.24,0.96,0.07,,2.23,3.45
RetinaNet ResNet-34,35.71,0.01,0.01,0.77,2.20,0.29,0.35,0.10,2.72,3.44,8.21
RetinaNet ResNet-50,36.59,0.01,0.02,0.99,2.78,0.36,0.69,0.03,3.12,3.00,8.93
"""


def detection_rows() -> pd.DataFrame:
    """Every row of table 3: architecture, trained (mAP, %), and what each noise takes in points; NaN for none."""
    import pandas as pd

    return pd.read_csv(io.StringIO(_TABLE_3))
