"""A lab's display server: the screen's page, and a page with a link and a token of its own for each browser device."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from capture.display import DisplayServer
from capture.display_access import reachable_name
from device_agents.records import Scene
from hostctl.browsers.certificate import display_tls
from hostctl.browsers.link import WebLink
from hostctl.browsers.pages import blueprint_name, web_blueprint
from hostctl.lab import Lab

if TYPE_CHECKING:
    from flask import Blueprint


class LabDisplay(DisplayServer):
    """The display server of a lab, within a with block; ``pages`` are the links to its browser devices by their names.

    ``port`` 0 takes a free one. ``scenes`` are those that devices may ask for, if the lab lets them. ``blueprints`` and
    ``guests`` add further pages; see capture.display.create_app. Photographs from the pages lie in ``folder``/pages,
    which goes with the server. Raises BadInput where the lab has browser devices and their page is not built, and for
    https, saying what to run, where its certificate is missing, has run out or is not for this machine.
    """

    def __init__(
        self,
        lab: Lab,
        *,
        folder: Path,
        port: int,
        scenes: Mapping[str, Scene] | None = None,
        blueprints: Sequence[Blueprint] = (),
        guests: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = folder / "pages"
        self.pages = {one.name: WebLink(one.name, folder=self._folder / one.name) for one in lab.devices if one.in_page}
        self._page_tokens = {blueprint_name(name): secrets.token_urlsafe(24) for name in self.pages}
        made = [web_blueprint(link) for link in self.pages.values()]
        super().__init__(
            host=lab.display.host,
            port=port,
            settle_ms=lab.display.settle_ms,
            scenes=scenes if lab.display.device_requests else None,
            blueprints=[*blueprints, *made],
            guests={**(guests or {}), **self._page_tokens},
            **(display_tls(reachable_name(lab.display.host)) if lab.display.https else {}),
        )

    def __enter__(self) -> LabDisplay:
        """Start to listen; raises BadInput if the port is taken."""
        shutil.rmtree(self._folder, ignore_errors=True)  # of a command that was killed
        super().__enter__()
        for name, link in self.pages.items():
            link.address = self.guest_url(blueprint_name(name))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the pages' open questions, then stop listening."""
        for link in self.pages.values():
            link.__exit__(kind, problem, trace)
        try:
            super().__exit__(kind, problem, trace)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)  # what was wanted of it is in the run

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens that open more than looking at a run: the screen's and the devices'."""
        return (self.token, *self._page_tokens.values())

    def page_url_here(self, name: str) -> str:
        """Where a browser on this machine opens a device's page."""
        return self.local_guest_url(blueprint_name(name))
