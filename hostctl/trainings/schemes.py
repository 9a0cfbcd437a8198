"""What a trained model is compared with: the same training without its noise, and simpler ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from stability_train.settings import Settings, settings_from

TRAINED, UNTOUCHED = "trained", "untouched"
PLAIN, WITH_LAYER, WITHOUT_LAYER = "plain", "plain-extra-layer", "plain-no-extra-layer"
LINEAR = "linear-head"
BASELINES = "baselines"
EXTRA_UNITS = 128  # of the layer that the paper adds
# What only a noise uses; without one these stand as they come.
OF_NOISE = (
    *("strength", "draws", "loss", "alpha", "gradient", "subsample", "partner", "mix"),
    *("decoders", "resizers", "colours", "codecs", "isps", "sensors", "mixing", "mixing_alpha"),
)


@dataclass(frozen=True)
class Scheme:
    """One way to train: its name (of its folder), words for people, and its settings."""

    name: str
    label: str
    settings: Settings


def schemes(settings: Settings) -> list[Scheme]:
    """Give the training asked for and its baselines, each distinct training once with all that it stands for.

    The baselines are plain fine-tuning (no noise, the same layers), plain fine-tuning with or without the extra dense
    layer (whichever the first has not), and the frozen backbone with one linear layer.
    """
    asked = [Scheme(TRAINED, describe(settings), settings)]
    for name, label, wanted in _baselines(settings):
        same = next((one for one in asked if wanted in (one.settings, _without_names(one.settings))), None)
        if same is None:
            asked.append(Scheme(name, label, wanted))
        else:
            named = same.label if label in same.label else f"{same.label} = {label}"
            asked[asked.index(same)] = replace(same, label=named)
    return asked


def describe(settings: Settings) -> str:
    """Say a training in a few words, such as "two-images, embedding x 0.001 (all layers)"."""
    words = [settings.noise if settings.noise != "none" else "plain fine-tuning"]
    if settings.noise != "none":
        words.append(f"{settings.loss} x {settings.weight:g}")
    words += [f"mix of {', '.join(settings.mix)}"] if settings.mix else []
    words += [settings.mixing] if settings.mixing != "none" else []
    return f"{', '.join(words)} ({_layers(settings)})"


def plain(settings: Settings) -> Settings:
    """Give the same training without any noise: on the clean pictures alone, with the same layers."""
    defaults = {one.name: one.default for one in fields(Settings)}
    monitor = "val_loss" if settings.monitor == "val_instability" else settings.monitor
    values = {**asdict(settings), **{name: defaults[name] for name in OF_NOISE}}
    return settings_from({**values, "noise": "none", "monitor": monitor, "embedding_units": settings.units})


def scheme_folder(out: Path, name: str, repeat: int) -> Path:
    """Where a training lies: the one asked for in out itself, baselines below, those with other seeds beside them."""
    own = f"seed-{repeat}" if repeat else ""
    if name == TRAINED:
        return out / own
    return out / BASELINES / (f"{name}-{own}" if own else name)


def _without_names(settings: Settings) -> Settings:
    """What a training without noise comes to, whatever its unused settings are."""
    quiet = settings.noise == "none" and not settings.mix and settings.mixing == "none"
    return plain(settings) if quiet else settings


def _baselines(settings: Settings) -> list[tuple[str, str, Settings]]:
    same = plain(settings)
    found = [(PLAIN, f"plain fine-tuning ({_layers(same)})", same)]
    if settings.head == "new":
        other = replace(same, embedding_units=0 if same.units else EXTRA_UNITS)
        name = WITHOUT_LAYER if same.units else WITH_LAYER
        found.append((name, f"plain fine-tuning ({_layers(other)})", other))
    linear = replace(same, trainable="head", embedding_units=0, batch_norm="frozen")
    return [*found, (LINEAR, "frozen backbone, linear head", linear)]


def _layers(settings: Settings) -> str:
    trained = {"head": "head only", "all": "all layers"}.get(settings.trainable, settings.trainable)
    return f"{trained}, extra layer" if settings.units else trained
