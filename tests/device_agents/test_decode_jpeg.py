from __future__ import annotations

import functools
import io
import struct
import sys
import tempfile
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from device_agents import decode
from device_agents.decode import DECODERS, turn_upright
from device_agents.decode_jpeg import JPEG_READERS
from device_agents.errors import BadInput, KitError, MissingExtra
from device_agents.preprocess import FAILURES

HERE = tuple(sorted(set(DECODERS) - {"dali"}))  # DALI takes 1.1 GB
JPEG_ONLY = tuple(sorted(set(JPEG_READERS) - {"dali"}))

ACCURATE = {"jpeg-accurate", "libjpeg-6b", "libjpeg-turbo", "mozjpeg", "opencv", "pillow", "tensorflow-accurate"}
FAST = {"jpeg-fast-dct", "tensorflow"}
FFMPEG = {"ffmpeg", "ffmpeg-bicubic", "ffmpeg-point"}
GROUPS_420 = [
    ACCURATE, FAST, {"libjpeg-7", "libjpeg-8d"}, {"libjpeg-9f"}, {"libjpeg-6b-float"}, {"jpeg-plain-upsampling"},
    {"jpeg-fast-plain"}, {"ffmpeg"}, {"ffmpeg-bicubic"}, {"ffmpeg-point"},
]  # fmt: skip
GROUPS_444 = [
    ACCURATE | {"jpeg-plain-upsampling", "libjpeg-7", "libjpeg-8d"}, FAST | {"jpeg-fast-plain"}, {"libjpeg-6b-float"},
    {"libjpeg-9f"}, FFMPEG,
]  # fmt: skip
# Largest difference from Pillow and share of pixels with any: sharp edges of colour, noise, 4:2:0.
DIFFERENCES_420 = {
    "jpeg-fast-dct": (1, 20, 0.7, 1.0), "jpeg-plain-upsampling": (20, 200, 0.3, 0.95),
    "jpeg-fast-plain": (20, 200, 0.7, 1.0), "libjpeg-7": (20, 200, 0.3, 0.95), "libjpeg-6b-float": (1, 5, 0.02, 0.4),
    "ffmpeg": (20, 200, 0.5, 1.0), "ffmpeg-bicubic": (20, 200, 0.5, 1.0), "ffmpeg-point": (40, 255, 0.5, 1.0),
}  # fmt: skip


@functools.cache
def edges(height: int = 131, width: int = 173) -> np.ndarray:
    """Noise, ramps, a chessboard and one block of strong colour; not to be written into."""
    y, x = np.mgrid[0:height, 0:width]
    picture = np.stack([x * 1.3, y * 1.7, (x + y) * 0.8], axis=2)
    picture += np.random.default_rng(0).normal(0, 12, picture.shape)
    picture[(x // 16 + y // 16) % 2 == 0] += 60
    picture[40:90, 50:120] = (220, 30, 40)
    picture = picture.clip(0, 255).astype(np.uint8)
    picture.setflags(write=False)
    return picture


def jpeg(pixels: np.ndarray, mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, "JPEG", **{"quality": 85, **options})
    return file.getvalue()


def groups(data: bytes) -> set[frozenset[str]]:
    """Which decoders give the same pixels."""
    found: dict[bytes, set[str]] = {}
    for name in HERE:
        found.setdefault(DECODERS[name](data).tobytes(), set()).add(name)
    return {frozenset(names) for names in found.values()}


def difference(name: str, data: bytes) -> np.ndarray:
    return np.abs(DECODERS[name](data).astype(int) - DECODERS["pillow"](data))


@pytest.mark.parametrize("progressive", [False, True])
def test_identical_pixels_420(progressive: bool) -> None:
    found = groups(jpeg(edges(), subsampling="4:2:0", progressive=progressive))
    # libjpeg 9f rounds one step of libjpeg 7's otherwise: this picture need not show it.
    merged = [
        {"libjpeg-7", "libjpeg-8d", "libjpeg-9f"},
        *(g for g in GROUPS_420 if not g & {"libjpeg-7", "libjpeg-9f"}),
    ]
    assert found in ({frozenset(g) for g in GROUPS_420}, {frozenset(g) for g in merged})


def test_identical_pixels_444() -> None:
    assert groups(jpeg(edges(), subsampling="4:4:4")) == {frozenset(group) for group in GROUPS_444}


@pytest.mark.parametrize("name", DIFFERENCES_420)
def test_how_much_decoders_differ_420(name: str) -> None:
    least, most, fewest, largest = DIFFERENCES_420[name]
    apart = difference(name, jpeg(edges(), subsampling="4:2:0"))
    assert least <= apart.max() <= most
    assert fewest <= (apart.max(axis=2) > 0).mean() <= largest


def test_how_much_decoders_differ_444() -> None:
    data = jpeg(edges(), subsampling="4:4:4")
    assert 1 <= difference("ffmpeg", data).max() <= 5
    assert difference("libjpeg-9f", data).max() == 1
    assert 1 <= difference("jpeg-fast-dct", data).max() <= 20


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:2:2", "4:4:4"])
def test_libjpeg_9f_is_one_off_7(subsampling: str) -> None:
    data = jpeg(edges(), subsampling=subsampling)
    assert np.abs(DECODERS["libjpeg-9f"](data).astype(int) - DECODERS["libjpeg-7"](data)).max() <= 1


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = DECODERS[name](jpeg(edges(40, 61), exif=exif))
    np.testing.assert_array_equal(decoded, turn_upright(DECODERS[name](jpeg(edges(40, 61))), orientation))


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize(
    ("mode", "options", "most"),
    [("L", {}, 2), ("CMYK", {}, 6), ("RGB", {"keep_rgb": True}, 6), ("RGB", {"subsampling": "4:4:4"}, 20)],
)
def test_kinds_of_jpeg_become_rgb_as_pillow_makes_them(
    name: str, mode: str, options: dict[str, object], most: int
) -> None:
    data = jpeg(edges(), mode, **options)
    apart = difference(name, data)
    assert apart.max() <= most
    if name in ACCURATE - {"opencv"}:
        assert not apart.any()


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (17, 1), (15, 16)])
def test_small_and_odd_sizes(name: str, shape: tuple[int, int]) -> None:
    decoded = DECODERS[name](jpeg(edges()[: shape[0], : shape[1]], subsampling="4:2:0"))
    assert decoded.shape == (*shape, 3)
    assert decoded.dtype == np.uint8
    assert decoded.flags.c_contiguous


@pytest.mark.parametrize("name", HERE)
def test_first_picture_of_a_multi_picture_file_counts(name: str) -> None:
    file = io.BytesIO()
    second = Image.fromarray(255 - edges(30, 40))
    Image.fromarray(edges(40, 61)).save(file, "MPO", save_all=True, append_images=[second])
    assert DECODERS[name](file.getvalue()).shape == (40, 61, 3)


@pytest.mark.parametrize("name", JPEG_ONLY)
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "TIFF"])
def test_another_format_is_named(name: str, kind: str) -> None:
    file = io.BytesIO()
    Image.fromarray(edges(8, 8)).save(file, kind)
    with pytest.raises(BadInput, match=f"expected a JPEG, got {kind}"):
        DECODERS[name](file.getvalue())


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("data", [b"", b"a letter named letter.jpg", b"\xff\xd8\xff", b"\0" * 64])
def test_what_is_no_image_is_refused(name: str, data: bytes) -> None:
    with pytest.raises(BadInput, match="expected an image file, got"):
        DECODERS[name](data)


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("part", [0.3, 0.6, 0.97, 0.9999])
@pytest.mark.parametrize("progressive", [False, True])
def test_truncated_jpegs_are_errors(name: str, part: float, progressive: bool) -> None:
    data = jpeg(edges(), progressive=progressive)
    with pytest.raises((BadInput, OSError)):
        DECODERS[name](data[: int(len(data) * part)])


@pytest.mark.parametrize("name", HERE)
def test_a_file_cut_among_its_headers_is_bad_input(name: str) -> None:
    data = jpeg(edges())
    with pytest.raises(BadInput, match="truncated|expected an image file"):
        DECODERS[name](data[: data.index(b"\xff\xc4") + 30])


@pytest.mark.parametrize("name", HERE)
def test_decompression_bomb_is_refused_before_it_unpacks(name: str) -> None:
    data = bytearray(jpeg(edges(16, 16)))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", 30_000, 30_000)
    with pytest.raises(BadInput, match="at most 128000000 pixels"):
        DECODERS[name](bytes(data))


# Narrower than what the grid survives.
CLEAR = (KitError, OSError, SyntaxError, ValueError)


def test_what_decoders_raise_is_survived() -> None:
    assert all(issubclass(kind, FAILURES) for kind in CLEAR)


@pytest.mark.parametrize("name", [name for name in JPEG_ONLY if "lib" in name])
def test_lossless_jpeg_is_refused_before_libjpeg_sees_it(name: str) -> None:
    data = jpeg(edges(16, 16)).replace(b"\xff\xc0", b"\xff\xc3", 1)
    with pytest.raises(BadInput, match="this one is lossless or hierarchical"):
        DECODERS[name](data)


@pytest.mark.parametrize("name", JPEG_ONLY)
def test_unusual_chroma_subsampling_is_read(name: str) -> None:
    # Grey with a sampling factor of 3 x 1, which has no name in libjpeg-turbo and means nothing for one component.
    data = jpeg(edges(40, 61), "L")
    frame = data.index(b"\xff\xc0")
    assert data[frame + 11] == 0x11
    decoded = DECODERS[name](data[: frame + 11] + b"\x31" + data[frame + 12 :])
    assert np.abs(decoded.astype(int) - DECODERS[name](data)).max() <= 1


@functools.cache
def bases() -> list[bytes]:
    picture, exif = edges(40, 61), Image.Exif()
    exif[0x0112] = 6
    return [
        jpeg(picture, subsampling="4:2:0", exif=exif), jpeg(picture, subsampling="4:4:4"), jpeg(picture, "L"),
        jpeg(picture, "CMYK"), jpeg(picture, progressive=True), jpeg(picture, restart_marker_blocks=2),
    ]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A JPEG with some bytes changed (half of them among the headers), perhaps cut, perhaps with a piece put in."""
    data = bytearray(draw(st.sampled_from(bases())))
    for _ in range(draw(st.integers(1, 4))):
        reach = draw(st.sampled_from([len(data), 640]))
        data[draw(st.integers(0, reach - 1)) % len(data)] = draw(st.integers(0, 255))
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(data)))
        data[at:at] = draw(st.binary(max_size=40))
    if draw(st.integers(0, 9)) == 0:
        del data[draw(st.integers(2, len(data))) : -2]
    return bytes(data)


@pytest.mark.parametrize("name", HERE)
@pytest.mark.filterwarnings("ignore")  # Pillow warns about damaged EXIF
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=damaged())
def test_damaged_jpegs_give_a_picture_or_a_failure(name: str, data: bytes) -> None:
    # The limit only keeps the test quick where a size is what was changed.
    with mock.patch.object(decode, "MAX_PIXELS", 2_000_000):
        try:
            decoded = DECODERS[name](data)
        except CLEAR:
            return
    assert decoded.dtype == np.uint8
    assert decoded.ndim == 3
    assert decoded.shape[2] == 3


@pytest.mark.parametrize("name", [name for name in JPEG_ONLY if "lib" in name])
def test_no_file_is_left_behind(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    good = jpeg(edges())
    DECODERS[name](good)
    table = good.index(b"\xff\xc4")
    with pytest.raises(BadInput):
        DECODERS[name](good[: table + 5] + b"\xff" * 16 + good[table + 21 :])
    assert not list(tmp_path.iterdir())


def test_libjpeg_versions_do_not_mix_between_threads() -> None:
    data = jpeg(edges(), subsampling="4:2:0")
    names = ["libjpeg-6b", "libjpeg-7", "libjpeg-6b-float", "mozjpeg"] * 8
    alone = {name: DECODERS[name](data) for name in set(names)}
    with ThreadPoolExecutor(4) as pool:
        for name, decoded in zip(names, pool.map(lambda name: DECODERS[name](data), names), strict=True):
            np.testing.assert_array_equal(decoded, alone[name])


@pytest.mark.parametrize(
    ("name", "module", "text"),
    [
        ("jpeg-accurate", "simplejpeg", r"simplejpeg.*instability-kit\[decoders\]"),
        ("libjpeg-9f", "jpeglib", r"jpeglib.*instability-kit\[decoders\]"),
        ("ffmpeg", "av", r"av.*instability-kit\[decoders\]"),
        ("tensorflow", "tensorflow", r"tensorflow.*instability-kit\[tensorflow\]"),
        ("dali", "nvidia.dali", "pip install nvidia-dali-cuda120"),
    ],
)
def test_absent_library_is_a_missing_extra(name: str, module: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=text):
        DECODERS[name](jpeg(edges(8, 8)))


def test_dali_is_asked_for_upright_rgb_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """DALI's documented calls against a strict fake; DALI itself is not run."""
    fed: list[np.ndarray] = []

    class Pictures:
        def at(self, index: int) -> np.ndarray:
            with Image.open(io.BytesIO(fed[index].tobytes())) as image:
                return np.asarray(image.convert("RGB"))

    class Pipeline:
        def build(self) -> None:
            assert not fed

        def feed_input(self, name: str, batch: list[np.ndarray]) -> None:
            assert name == "file"
            assert batch[0].dtype == np.uint8
            fed.extend(batch)

        def run(self) -> tuple[Pictures]:
            return (Pictures(),)

    def pipeline_def(graph: object, *, batch_size: int, num_threads: int, device_id: None, prefetch_queue_depth: int):
        assert (batch_size, num_threads, device_id, prefetch_queue_depth) == (1, 1, None, 1)
        assert callable(graph)
        assert graph() == ("decoded", "file")
        return Pipeline

    def image(file: str, *, device: str, output_type: str, adjust_orientation: bool) -> tuple[str, str]:
        assert (device, output_type, adjust_orientation) == ("cpu", "rgb", False)
        return "decoded", file

    def external_source(*, name: str, dtype: str, ndim: int) -> str:
        assert (dtype, ndim) == ("uint8", 1)
        return name

    fn = types.SimpleNamespace(external_source=external_source, decoders=types.SimpleNamespace(image=image))
    kinds = types.SimpleNamespace(UINT8="uint8", RGB="rgb")
    monkeypatch.setitem(sys.modules, "nvidia.dali", types.SimpleNamespace(pipeline_def=pipeline_def, types=kinds))
    monkeypatch.setitem(sys.modules, "nvidia.dali.fn", fn)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = jpeg(edges(20, 30), exif=exif)
    np.testing.assert_array_equal(DECODERS["dali"](data), DECODERS["pillow"](data))
