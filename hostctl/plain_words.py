"""Words of devices made plain before a terminal or a log shows them: no control characters, no turned directions."""

from __future__ import annotations

import logging
import re

# A terminal obeys C0 and C1 controls (ECMA-48: colours, the window's title, the clipboard, what is typed next), and
# Unicode's marks of direction (UAX 9) show a text in another order than it is stored in. Line ends and tabs stay.
UNPLAIN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    r"""Give a text with every character that a terminal could obey written out: ESC becomes the four letters \x1b."""
    return UNPLAIN.sub(_written, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    r"""The same with line ends written out too: for a log, where a line is an entry."""
    return plain(text).replace("\n", "\\n")


class PlainFormatter(logging.Formatter):
    """A log's formatter that keeps each entry on its own line, whatever words of a device it holds."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802, the name is logging's
        """Write an entry without its traceback."""
        return one_line(super().formatMessage(record))


def _written(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
