"""Views: how a photo becomes one input of the model, each fully described by a small key; and the maker of them.

A view made twice is the same to the last bit: nothing but the key, the photo's file and the sidecar goes in.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from capture.codecs import CODECS
from capture.develop import PINNED, Beside, corners_beside
from capture.isp import BORDER_PX, render
from capture.raw import read_raw
from capture.reexposure import SENSORS
from device_agents.colour import COLOURS
from device_agents.decode import DECODERS, RGB
from device_agents.errors import BadInput, pick
from device_agents.noise import NOISES
from device_agents.preprocess import FAILURES, to_tensor
from device_agents.records import Corners
from device_agents.resize import FITS, RESIZERS
from device_agents.sidecar import Sidecar
from device_agents.view import VIEWS
from stability_train.photos import Photo

Tensor = npt.NDArray[Any]
MEMORY_BYTES = 1 << 30


@dataclass(frozen=True, repr=False)
class View:
    """All that decides a tensor. photo: a Photo's identity; resizer "" is the sidecar's, codec "" none.

    crop: top, left, height and width as shares of the prepared picture, () for all of it. The noise is drawn from a
    generator seeded with ``seed``; strength None is the noise's own. isp: develops the raw beside the photo, "" is the
    photo itself; sensor: a key of SENSORS that changes the raw before, drawn from a generator seeded with ``shot``.
    """

    photo: str
    decoder: str = "pillow"
    codec: str = ""
    colour: str = "rgb"
    resizer: str = ""
    crop: tuple[float, ...] = ()
    flip: bool = False
    noise: str = "none"
    strength: float | None = None
    seed: tuple[int, ...] = ()
    isp: str = ""
    sensor: str = ""
    shot: tuple[int, ...] = ()

    def __repr__(self) -> str:
        """Name the fields; the last three only where they are set, so that older kept features keep their names."""
        shown = [
            f"{one.name}={getattr(self, one.name)!r}"
            for one in fields(self)
            if one.name not in _RAW_FIELDS or getattr(self, one.name)
        ]
        return f"View({', '.join(shown)})"


_RAW_FIELDS = ("isp", "sensor", "shot")


class ViewMaker:
    """Makes views of photos for a model; keeps prepared pictures (before crop and noise) up to a limit of memory.

    Threads may share it. ``decoded`` counts the pictures that had to be prepared.
    """

    def __init__(self, photos: Sequence[Photo], sidecar: Sidecar, *, memory_bytes: int = MEMORY_BYTES) -> None:
        """Take the photos that views may name."""
        self._photos = {photo.identity: photo for photo in photos}
        self._sidecar = sidecar
        self._memory_bytes = memory_bytes
        self._prepared: OrderedDict[View, RGB] = OrderedDict()
        self._held_bytes = 0
        self._raw_corners: dict[str, Corners] = {}
        self._lock = threading.Lock()
        self.decoded = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of a tensor: (height, width, 3)."""
        return self._sidecar.input_height, self._sidecar.input_width, 3

    def tensor(self, view: View) -> Tensor:
        """Give the model's input, (height, width, 3) float32; raises BadInput that names the file if it cannot."""
        picture = self.picture(view)
        return np.asarray(
            to_tensor(picture, scaling=self._sidecar.scaling, layout="nhwc", colour_order=self._sidecar.colour_order)[
                0
            ],
            np.float32,
        )

    def picture(self, view: View) -> RGB:
        """Give the view before scaling: uint8 (height, width, 3)."""
        picture = self._prepare(
            replace(view, crop=(), flip=False, noise="none", strength=None, seed=())  # what is done to it afterwards
        )
        if view.crop:
            picture = self._crop(picture, view)
        if view.flip:
            picture = np.ascontiguousarray(picture[:, ::-1])
        noise = pick(NOISES, view.noise, what="noise")
        strength = {} if view.strength is None else {"strength": view.strength}
        return noise(picture, np.random.default_rng(view.seed), **strength)

    def check(self, views: Sequence[View]) -> None:
        """Make every view once; raises BadInput that lists the files that cannot be read, all of them."""
        problems = []
        for view in views:
            try:
                self.picture(view)
            except BadInput as problem:
                problems.append(str(problem))
        if problems:
            shown = "\n".join(f"  - {line}" for line in problems[:20])
            raise BadInput(f"{len(problems)} of {len(views)} pictures cannot be trained on:\n{shown}")

    def _prepare(self, view: View) -> RGB:
        with self._lock:
            if view in self._prepared:
                self._prepared.move_to_end(view)
                return self._prepared[view]
        photo = self._photos[view.photo]
        try:
            picture = self._resized(photo, view)
        except FAILURES as problem:
            first = (str(problem).strip().splitlines() or [type(problem).__name__])[0]
            raise BadInput(f"{photo.name} ({photo.file}): {first}") from problem
        picture.setflags(write=False)
        with self._lock:
            self.decoded += 1
            if view not in self._prepared:
                self._prepared[view] = picture
                self._held_bytes += picture.nbytes
            while self._held_bytes > self._memory_bytes and len(self._prepared) > 1:
                self._held_bytes -= self._prepared.popitem(last=False)[1].nbytes
        return picture

    def _resized(self, photo: Photo, view: View) -> RGB:
        decode = pick(DECODERS, view.decoder, what="decoder")
        if view.isp:
            pixels, corners = self._developed(photo, view)
            if view.codec:
                pixels = decode(pick(CODECS, view.codec, what="codec")(pixels))
        else:
            data, corners = photo.file.read_bytes(), photo.corners
            if view.codec:  # as `develop` codes a picture again: decoded by Pillow, coded, then decoded as asked
                data = pick(CODECS, view.codec, what="codec")(DECODERS["pillow"](data))
            pixels = decode(data)
        scene = VIEWS["rectified-pillow" if corners else "whole"](pixels, corners)
        coloured = pick(COLOURS, view.colour, what="colour")(scene)
        resizer = pick(RESIZERS, view.resizer or self._sidecar.resizer, what="resizer")
        height, width, _ = self.shape
        return np.array(FITS[self._sidecar.fit](coloured, resizer, height, width))

    def _developed(self, photo: Photo, view: View) -> tuple[RGB, Corners]:
        """Develop the raw beside a photo, with another sensor's noise if asked, and give the scene's corners in it."""
        if photo.raw is None:
            raise BadInput(f"expected a raw picture beside it for ISP {view.isp}, got none")
        raw = read_raw(photo.raw.read_bytes())
        if photo.corners and view.photo not in self._raw_corners:
            beside = Beside(photo.file.read_bytes(), photo.corners)
            self._raw_corners[view.photo] = corners_beside(render(raw, PINNED), beside, cut_px=BORDER_PX)
        if view.sensor:
            raw = pick(SENSORS, view.sensor, what="sensor")(raw, np.random.default_rng(view.shot))
        return render(raw, view.isp), self._raw_corners.get(view.photo, ())

    def _crop(self, picture: RGB, view: View) -> RGB:
        height, width, _ = self.shape
        top, left, tall, wide = view.crop
        y, x = round(top * height), round(left * width)
        part = picture[y : y + max(1, round(tall * height)), x : x + max(1, round(wide * width))]
        resizer = pick(RESIZERS, view.resizer or self._sidecar.resizer, what="resizer")
        return resizer(np.ascontiguousarray(part), height, width)
