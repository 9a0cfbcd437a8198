"""PROFILES: the virtual rack's cameras, five devices that differ in optics, sensor, automatics, ISP and codec.

The names describe a look; no real product is claimed. Numbers are quoted where a source is named and marked "chosen"
where they are only plausible. They were fixed from these sources and from looking at pictures, before any instability
was computed from them, and are never tuned on it. Pixel counts are cut to 1.2 to 3 megapixels for speed: each pixel
keeps the quoted sensor's physics, as in a crop of it.

Sources
[LC]  libcamera, src/ipa/rpi/vc4/data/{ov5647,imx219,imx708}.json (BSD-2-Clause): colour matrices and grey curve at the
      colour temperature nearest to D65, black level, noise slope. The slope s is sqrt(variance / mean) on a 16-bit
      scale at gain 1, so a full scale holds 65535 / s^2 electrons: 3628 (OV5647), 4865 (IMX219), 10486 (IMX708).
[FD]  FreeDcam, app/src/main/res/raw/matrixes.xml: DNG ColorMatrix2 (D65) and NoiseProfile as written by phones.
[AP]  ColorMatrix2 (D65), black 528 and white 4095 of an "iPhone12,3 back camera" DNG.
[OV]  OmniVision OV5647 product brief: 1.4 um, 10 bits, 680 mV/lux s, full well 4300 e, maximum SNR 36 dB.
[PI]  Raspberry Pi camera documentation: Camera Module 1 f/2.9, Module 2 (IMX219) 1.12 um, f/2.0, 1640 x 1232 mode;
      rpicam-still writes JPEG of quality 93.
[SH]  Makers' data sheets of the phones of that class: f/2.0 and 1.12 um (IMX214), f/2.4 and 1.4 um (IMX179),
      f/1.8 and 1.4 um.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capture.optics import Lens, Mount
from capture.raw import SRGB_TO_XYZ
from capture.sensor import Sensor


@dataclass(frozen=True)
class Automatics:
    """Auto-exposure and auto-white-balance.

    grey_target       metered mean of the picture as a share of saturation; white_limit: highest share for the 99th
                      percentile; both within exposure_band_ev (a dead band: inside it nothing moves)
    longest_s         exposure is lengthened up to this, then gain is raised, up to highest_gain
    exposure_speed    share of the error corrected in one round, 0..1; likewise balance_speed
    grey_world_trust  how far white balance follows the mean colour: 0 = stays at D65, 1 = all the way
    balance_band_ev   dead band of the red and blue gains, in powers of two
    """

    grey_target: float
    white_limit: float
    exposure_band_ev: float
    exposure_speed: float
    longest_s: float
    highest_gain: float
    grey_world_trust: float
    balance_speed: float
    balance_band_ev: float


@dataclass(frozen=True)
class Profile:
    """One virtual camera. isp and codec are keys of ISPS and CODECS; keep_raw: a DNG is saved beside the picture."""

    name: str
    make: str
    model: str
    lens: Lens
    mount: Mount
    sensor: Sensor
    automatics: Automatics
    isp: str
    codec: str
    keep_raw: bool = False


def _from_libcamera(ccm: tuple[float, ...], *, red: float, blue: float) -> tuple[float, ...]:
    """XYZ to camera from libcamera's matrix (balanced camera to linear sRGB) and its grey's red and blue over green."""
    to_srgb = np.array(ccm).reshape(3, 3)
    camera = np.diag([red, 1.0, blue]) @ np.linalg.inv(to_srgb) @ np.linalg.inv(SRGB_TO_XYZ)
    return tuple(float(value) for value in camera.ravel())


BUDGET = Profile(
    name="budget-jpeg",
    make="Virtual",
    model="Budget",
    # f-number [PI]; the rest chosen: a plastic lens, soft, 1 % barrel distortion at the corner, dark corners.
    lens=Lens(2.9, 0.88, blur_px=1.05, k1=-0.14, k2=0.02, p1=0.0005, p2=-0.0004, corner_angle_deg=27.0),
    mount=Mount(0.870, 2.6, shift_x=0.006, shift_y=-0.004, roll_deg=0.4, pitch_deg=0.10),
    sensor=Sensor(
        width=1280,
        height=960,
        pattern="BGGR",
        bits=10,  # [OV]
        black_level=16,  # [LC] 1024 on 16 bits
        pixel_um=1.4,  # [OV]
        responsivity_e=1490.0,  # [OV] 680 mV, if the full well swings 1 V: 680 / 1000 * 4300 e / 1.96 um2
        full_well_e=3628.0,  # [LC]; 4300 in [OV]
        read_noise_e=3.2,  # chosen
        prnu=0.012,  # chosen; EMVA data sheets of small pixels print 0.5 to 1.5 %
        dark_e_per_s=8.0,  # chosen
        hot_share=4e-5,  # chosen
        hot_e_per_s=9000.0,  # chosen
        readout_s=0.030,  # chosen: slow
        xyz_to_camera=_from_libcamera(  # [LC] at 5890 K, grey at 5699 K
            (2.13616, -0.65283, -0.48333, -0.48364, 1.93115, -0.44751, -0.13465, -0.54831, 1.68295),
            red=0.6715,
            blue=0.8627,
        ),
    ),
    # All automatics of all profiles are chosen; [LC] aims at 0.16 to 0.17.
    automatics=Automatics(0.17, 0.84, 0.20, 0.5, 1 / 30, 8.0, 0.45, 0.5, 0.06),
    isp="soft",
    codec="jpeg-75",
)

MIDRANGE = Profile(
    name="midrange-sharp",
    make="Virtual",
    model="Midrange",
    lens=Lens(2.0, 0.90, blur_px=0.80, k1=0.03, k2=-0.02, p1=0.0, p2=0.0003, corner_angle_deg=22.0),
    mount=Mount(0.862, 2.7, shift_x=-0.007, shift_y=0.003, roll_deg=-0.3, pitch_deg=-0.08),
    sensor=Sensor(
        width=2016,
        height=1512,
        pattern="RGGB",
        bits=10,
        black_level=64,  # chosen: usual for 10 bits
        pixel_um=1.12,  # [SH]
        responsivity_e=1800.0,  # chosen: back-illuminated, between [OV] and a flagship
        full_well_e=4600.0,  # chosen, near the IMX219 of equal pixel size [LC]
        read_noise_e=2.2,  # chosen
        prnu=0.010,
        dark_e_per_s=4.0,
        hot_share=2e-5,
        hot_e_per_s=6000.0,
        readout_s=0.016,  # chosen
        xyz_to_camera=(0.7228, -0.0893, -0.0975, -0.4792, 1.3481, 0.1381, -0.1137, 0.2680, 0.5604),  # [FD] "Nexus6"
    ),
    automatics=Automatics(0.18, 0.76, 0.25, 0.6, 1 / 30, 16.0, 0.55, 0.6, 0.08),
    isp="crisp",
    codec="jpeg-92",
    keep_raw=True,
)

FLAGSHIP = Profile(
    name="flagship-heif",
    make="Virtual",
    model="Flagship",
    lens=Lens(1.8, 0.92, blur_px=0.62, k1=0.01, k2=0.0, p1=0.0, p2=0.0, corner_angle_deg=19.0),
    mount=Mount(0.875, 2.6, shift_x=0.003, shift_y=0.005, roll_deg=0.1, pitch_deg=0.05),
    sensor=Sensor(
        width=1280,
        height=960,
        pattern="RGGB",
        bits=12,  # [AP]
        black_level=528,  # [AP]
        pixel_um=1.4,  # [SH]
        responsivity_e=2100.0,  # chosen
        full_well_e=7000.0,  # chosen; 10486 for the larger-well IMX708 of equal pixel size [LC]
        read_noise_e=1.6,  # chosen
        prnu=0.006,
        dark_e_per_s=2.0,
        hot_share=1e-5,
        hot_e_per_s=4000.0,
        readout_s=0.010,  # chosen: fast
        xyz_to_camera=(0.88993, -0.30246, -0.12548, -0.46587, 1.33313, 0.10541, -0.10360, 0.23996, 0.40206),  # [AP]
    ),
    automatics=Automatics(0.16, 0.78, 0.15, 0.7, 1 / 30, 32.0, 0.35, 0.7, 0.05),
    isp="balanced",
    codec="heif-60",
)

OLD = Profile(
    name="old-noisy",
    make="Virtual",
    model="Old",
    lens=Lens(2.4, 0.85, blur_px=0.95, k1=-0.08, k2=0.03, p1=-0.0006, p2=0.0004, corner_angle_deg=30.0),
    mount=Mount(0.865, 2.8, shift_x=-0.004, shift_y=-0.006, roll_deg=-0.6, pitch_deg=0.12),
    sensor=Sensor(
        width=1440,
        height=1080,
        pattern="GRBG",
        bits=10,
        black_level=64,
        pixel_um=1.4,  # [SH]
        responsivity_e=1300.0,  # chosen: an early back-illuminated pixel
        full_well_e=4900.0,  # [FD] "Imx179" NoiseProfile: 1 / 0.000204
        read_noise_e=5.0,  # chosen
        prnu=0.015,
        dark_e_per_s=25.0,  # chosen: warm
        hot_share=1.2e-4,
        hot_e_per_s=30000.0,
        readout_s=0.033,  # chosen: a whole frame time
        xyz_to_camera=tuple(value / 128 for value in (79, -18, -5, -59, 153, 29, -11, 25, 70)),  # [FD] "Imx179"
    ),
    # The short longest exposure (chosen: fear of shake) is what makes it noisy: gain 4 or so.
    automatics=Automatics(0.15, 0.86, 0.35, 0.5, 1 / 60, 16.0, 0.70, 0.5, 0.12),
    isp="smeared",
    codec="jpeg-85",
)

BOARD = Profile(
    name="board-plain",
    make="Virtual",
    model="Board",
    lens=Lens(2.0, 0.90, blur_px=0.85, k1=-0.05, k2=0.01, p1=0.0, p2=0.0, corner_angle_deg=25.0),
    mount=Mount(0.868, 2.6, shift_x=0.001, shift_y=0.002, roll_deg=0.2, pitch_deg=-0.10),
    sensor=Sensor(
        width=1640,
        height=1232,  # [PI]
        pattern="BGGR",
        bits=10,
        black_level=64,  # [LC] 4096 on 16 bits
        pixel_um=1.12,  # [PI]
        responsivity_e=1700.0,  # chosen
        full_well_e=4865.0,  # [LC]
        read_noise_e=2.6,  # chosen
        prnu=0.010,
        dark_e_per_s=6.0,
        hot_share=3e-5,
        hot_e_per_s=8000.0,
        readout_s=0.0233,  # 1232 lines of 18.9 us: 3448 clocks at 182.4 MHz, Linux drivers/media/i2c/imx219.c
        xyz_to_camera=_from_libcamera(  # [LC] at 5858 K, grey at 5716 K
            (2.32392, -0.88421, -0.43971, -0.63821, 2.58348, -0.94527, -0.28541, -0.54112, 1.82653),
            red=0.5712,
            blue=0.7017,
        ),
    ),
    automatics=Automatics(0.165, 0.80, 0.10, 0.8, 1 / 15, 10.0, 0.30, 0.8, 0.04),
    isp="board",
    codec="jpeg-93",  # [PI]
    keep_raw=True,
)

PROFILES: dict[str, Profile] = {profile.name: profile for profile in (BUDGET, MIDRANGE, FLAGSHIP, OLD, BOARD)}
