"""PERTURBATIONS: all of them by name."""

from __future__ import annotations

from typing import Dict

from device_agents.perturbations.families import Perturbation

PERTURBATIONS: Dict[str, Perturbation] = {}
