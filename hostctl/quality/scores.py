"""SCORES: what a rack is qualified by: each score's definition, source, unit, limits, and what to do when it fails."""

from __future__ import annotations

from dataclasses import dataclass

VERDICTS = ("pass", "warn", "fail")  # from good to bad


@dataclass(frozen=True)
class Score:
    """One score: its key, what it is, its unit, up to (or, ``more_is_better``, from) where it passes and warns.

    ``factor`` turns the measured number into the unit (100 for a share in percent).
    """

    key: str
    title: str
    unit: str
    passes: float
    warns: float
    definition: str
    source: str
    advice: str
    more_is_better: bool = False
    factor: float = 1.0

    def verdict(self, value: float | None) -> str:
        """Pass, warn or fail for a value in the score's unit; what could not be measured fails."""
        if value is None:
            return "fail"
        sign = -1 if self.more_is_better else 1
        return next(
            (name for name, limit in (("pass", self.passes), ("warn", self.warns)) if sign * value <= sign * limit),
            "fail",
        )

    @property
    def limits(self) -> str:
        """Both limits in words: "at most 1 % (warns up to 5)"."""
        word, reach = ("at least", "down to") if self.more_is_better else ("at most", "up to")
        return f"{word} {self.passes:g} {self.unit} (warns {reach} {self.warns:g})".replace("  ", " ")


SCORES = (
    Score(
        "accepted",
        "photographs accepted",
        "%",
        95,
        75,
        "accepted photographs over all attempts of the charts; one is refused for its markers, its frame code, "
        "clipping, focus, or something before the screen",
        "docs/display.md",
        "read the reasons below the table; aim the camera so that all four markers are seen, and set the focus",
        more_is_better=True,
        factor=100,
    ),
    Score(
        "markers",
        "markers found",
        "of 4",
        4,
        3,
        "mean number of the frame's four markers that are found in a photograph",
        "OpenCV ArUco, DICT_4X4_50",
        "bring the whole screen into the picture, wipe lens and screen, keep reflections off the corners",
        more_is_better=True,
    ),
    Score(
        "sameness",
        "repeat-shot difference",
        "%",
        5,
        15,
        "share of pixels of the scene that differ by more than 5 % of full scale in a channel between two shots of one "
        "chart, one straight after the other of that chart; mean over charts and pairs",
        "Cidon et al. 2021, figure 1",
        "fix the mount against vibration, lock exposure and focus where the camera can, give more light (less noise)",
        factor=100,
    ),
    Score(
        "noise",
        "noise of a shot",
        "codes",
        3,
        6,
        "deviation of the difference of two shots of a flat field over the root of 2, in codes of 255, the worse field",
        "EMVA 1288 release 4.0, section 6.6",
        "raise the screen's brightness, take a longer exposure or a lower ISO, wipe the lens",
    ),
    Score(
        "exposure",
        "exposure drift",
        "%",
        1,
        3,
        "largest less smallest mean brightness of the shots of a flat field over their mean, the worse field",
        "own definition",
        "lock the exposure; keep room light off the screen; let the screen and the cameras warm up for 20 minutes",
        factor=100,
    ),
    Score(
        "white-balance",
        "white-balance drift",
        "%",
        1,
        3,
        "largest less smallest red/green, or blue/green, of the shots of a flat field over their mean, the worse field",
        "own definition",
        "lock the white balance; switch off the screen's night light and adaptive colour",
        factor=100,
    ),
    Score(
        "focus",
        "sharpness (MTF50)",
        "cycles",
        80,
        50,
        "frequency at which contrast falls to a half, in cycles over the scene's height, at slanted edges in the "
        "middle and near the corners: their median over the shots, the worst place; a model's input of 224 pixels "
        "holds 112",
        "ISO 12233:2017 (slanted edge)",
        "focus on the screen (tap it) and lock it, move no nearer than the lens can focus, wipe the lens, stand square "
        "to the screen if only one side is soft",
        more_is_better=True,
    ),
    Score(
        "clipping",
        "clipping of mid-grey",
        "%",
        0.1,
        1,
        "share of pixels of the mid-grey field with a channel at 0 or 255, the worst shot",
        "own definition",
        "lower the exposure or the screen's brightness, keep lamps from mirroring in the screen",
        factor=100,
    ),
    Score(
        "moire",
        "moire",
        "%",
        1,
        3,
        "root mean square of waves wider than the lines of a fine grid, over its mean, beyond those of a flat field: "
        "the worst grid and channel, median over the shots",
        "own definition, on the grid that ISO 12233's charts test by eye",
        "change the distance or turn the camera by a few degrees, or defocus very slightly; a screen of finer pixels "
        "ends it",
        factor=100,
    ),
    Score(
        "banding",
        "banding",
        "%",
        0.5,
        1.5,
        "amplitude of the strongest sine of three cycles or more in the mean brightness of rows or columns of a flat "
        "field, over its mean: the median over the shots, the worse field",
        "own definition, a periodogram with Hann's window",
        "expose for a whole number of the screen's refreshes (1/60, 1/30 s), set the screen to full brightness (no "
        "dimming by pulses), set the camera's anti-flicker to your mains (50 or 60 Hz)",
        factor=100,
    ),
)
