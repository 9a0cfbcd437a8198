"""Takes out of a photograph's files where it was taken, before a run keeps them; the picture's own bytes stay."""

from __future__ import annotations

import hashlib
from pathlib import Path

from capture.anonymise import container, without_place
from device_agents.errors import BadInput

JPEG_END = b"\xff\xd9"


def drop_place(path: Path) -> str:
    """Rewrite a file without its GPS tags; give the sha256 that it had before, "" if it told no place.

    A JPEG that was cut short keeps what there is of it. Raises BadInput if the file is of no known format, or damaged
    where its tags are: then nobody can say that it tells no place.
    """
    data = path.read_bytes()
    try:
        clean = without_place(data, suffix=path.suffix)
    except BadInput:
        if container(data, suffix=path.suffix) != "jpeg":
            raise
        clean = without_place(data + JPEG_END, suffix=path.suffix).removesuffix(JPEG_END)
    if clean == data:
        return ""
    path.write_bytes(clean)
    return hashlib.sha256(data).hexdigest()
