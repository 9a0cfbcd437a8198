"""PERTURBATIONS: all of them by name."""

from __future__ import annotations

from typing import Dict

from device_agents.perturbations.corruptions import CORRUPTIONS
from device_agents.perturbations.families import Perturbation
from device_agents.perturbations.natural import NATURAL
from device_agents.perturbations.sequences import SEQUENCES
from device_agents.perturbations.shifts import SHIFTS
from device_agents.perturbations.turned import TURNED

PERTURBATIONS: Dict[str, Perturbation] = {**CORRUPTIONS, **NATURAL, **SEQUENCES, **SHIFTS, **TURNED}
