"""How many bytes the photographs of a session will take, estimated before it starts."""

from __future__ import annotations

from hostctl.lab import DeviceSettings, Lab

# With crop and thumbnail. A page's frame comes as PNG, its other ways give a phone's JPEG.
PHOTOGRAPH_BYTES = {"virtual": 1_500_000, "virtual-page": 4_000_000, "page": 20_000_000, "jpg": 6_000_000}
RAW_BYTES = 25_000_000


def needed_bytes(lab: Lab, scenes: int) -> int:
    """Estimate the bytes of a session with this many scenes."""
    each = sum(_photograph_bytes(device) for device in lab.devices)
    return each * scenes * len(lab.session.angles) * lab.session.repeats


def _photograph_bytes(device: DeviceSettings) -> int:
    if device.virtual:
        return PHOTOGRAPH_BYTES["virtual-page" if device.in_page else "virtual"]
    if device.in_page:
        return PHOTOGRAPH_BYTES["page" if device.camera == "canvas" else "jpg"]
    return sum(RAW_BYTES if kind == "dng" else PHOTOGRAPH_BYTES["jpg"] for kind in device.formats)
