"""A small detection run's predictions: three scenes with boxes, one without any, on two conditions."""

from __future__ import annotations

import pandas as pd

from device_agents.tasks.answers import Detections, detections_text

LEFT, RIGHT, MIDDLE = (0.0, 0.0, 0.4, 0.4), (0.6, 0.6, 1.0, 1.0), (0.4, 0.4, 0.6, 0.6)
TRUTH = Detections((LEFT, RIGHT), ("cat", "dog"), (1.0, 1.0))
EMPTY = Detections((), (), ())


def found(*rows: tuple[tuple[float, ...], str, float]) -> Detections:
    """Detections of (box, label, score), put in order."""
    ordered = sorted(rows, key=lambda row: -row[2])
    return Detections(*(tuple(row[at] for row in ordered) for at in range(3)))


WHOLE = found((LEFT, "cat", 0.8), (RIGHT, "dog", 0.9))
ANSWERS = {
    ("s1", "usual"): WHOLE,
    ("s1", "other"): found((RIGHT, "dog", 0.9), (MIDDLE, "cat", 0.7)),
    ("s2", "usual"): WHOLE,
    ("s2", "other"): WHOLE,
    ("s3", "usual"): WHOLE,
    ("s3", "other"): found((LEFT, "fox", 0.8), (RIGHT, "dog", 0.9)),
    ("s4", "usual"): EMPTY,
    ("s4", "other"): found((LEFT, "cat", 0.95)),
}


def predictions() -> pd.DataFrame:
    """The long table with detail and truth: the decoder differs between the conditions, the device is one."""
    fixed = {"angle": 0, "repeat": 0, "device": "host", "isp": "", "codec": "", "ambiguous": (), "error": ""}
    rows = [
        {
            **fixed,
            **{"scene": scene, "picture": scene, "cluster": scene, "category": "cat", "labels": ("cat", "dog")},
            **{"environment": decoder, "decoder": decoder, "truth": detections_text(EMPTY if scene == "s4" else TRUTH)},
            **{"detail": detections_text(answer), "label_1": (answer.labels or ("nothing",))[0]},
            **{"score_1": (answer.scores or (0.0,))[0]},
        }
        for (scene, decoder), answer in ANSWERS.items()
    ]
    return pd.DataFrame(rows)
