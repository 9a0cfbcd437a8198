"""The golden scene: photographed every few scenes to watch screen and cameras, never predicted, never counted."""

from __future__ import annotations

# A run has one at most. It stands in the ledger as a scene, so that its photographs are steps like others; what lists
# scenes and pictures leaves it out unless it is asked for by this name.
GOLDEN = "golden scene of the kit"
LABEL = "golden"  # a scene needs one; no answer is ever held against it
EXCEPT = f"scene != '{GOLDEN}'"
