"""The watch over a training: what happens between the steps and epochs that `fit` loops over.

It validates, writes the history, the checkpoint and the log, stops early, and stops whole when asked to. Importing
this file loads TensorFlow: import it inside the function that trains.
"""

from __future__ import annotations

import csv
import io
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from stability_train.batches import Batches
from stability_train.cache import write_whole
from stability_train.checkpoint import Progress, read_checkpoint, restore, write_checkpoint
from stability_train.judging import Evaluation
from stability_train.settings import Settings

CHECKPOINT, BEST, HISTORY = "checkpoint.npz", "best.npz", "history.csv"
_LOWER_IS_BETTER = {"val_loss": True, "val_accuracy": False, "val_instability": True}


class Watch(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps one training's folder up to date; ``progress`` is how far it is.

    prepare(epoch) makes what an epoch needs before it begins. judge() gives the validation's evaluation and its
    cross-entropy, or None without photos to validate on. say gets one line an epoch.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        batches: Batches,
        *,
        prepare: Callable[[int], None],
        judge: Callable[[], tuple[Evaluation, float] | None],
        say: Callable[[str], None],
    ) -> None:
        """Nothing is read or written yet."""
        super().__init__()
        self.progress = Progress()
        self.asked_to_stop = False
        self._folder, self._settings, self._batches = folder, settings, batches
        self._prepare, self._judge, self._say = prepare, judge, say
        self._metrics: list[Any] | None = None
        self._writer: Any = None
        self._started_s = self._epoch_started_s = time.monotonic()
        self._before = Progress()

    @property
    def checkpoint(self) -> Path:
        """The file that the training goes on from."""
        return self._folder / CHECKPOINT

    def resume(self, model: Any) -> None:
        """Bring the model to where the folder's checkpoint left it, or write the first one."""
        self.set_model(model)
        path = self.checkpoint
        if path.exists():
            groups, self.progress = read_checkpoint(path)
            restore(model.tail.variables, groups.get("weights", []), what="weights")
            restore(model.optimizer.variables, groups["optimiser"], what="optimiser's values")
            self._metrics = groups["metrics"] if self.progress.step else None
            self._before = replace(self.progress)
        else:
            self._write()

    def take_best(self) -> None:
        """Put the best epoch's weights into the model, where one was kept."""
        if self.progress.best_epoch:
            groups, _ = read_checkpoint(self._folder / BEST)
            restore(self.model.tail.variables, groups["weights"], what="weights")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Prepare the epoch; one that was interrupted goes on with the means that it had."""
        self._epoch_started_s = time.monotonic()
        self._prepare(epoch)
        if self._metrics is not None:
            restore(self._metric_variables(), self._metrics, what="means")
            self._metrics = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count the step; when asked to stop, write the checkpoint and raise KeyboardInterrupt."""
        self.progress.step += 1
        if self.asked_to_stop and self.progress.step < self._batches.steps:  # else the epoch is whole, and ends first
            self._write()
            self._stop(f"epoch {self.progress.epoch + 1}, step {self.progress.step}")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Validate, note the epoch, decide whether it was the best or the last, and write the checkpoint."""
        trained_s = time.monotonic() - self._epoch_started_s
        row = {name: float(value) for name, value in (logs or {}).items()}
        found = self._judge()
        if found is not None:
            judged, loss = found
            row |= {"val_loss": loss, "val_accuracy": judged.accuracy, "val_instability": judged.instability}
        self.progress.trained_s += trained_s
        self.progress.epoch, self.progress.step = epoch + 1, 0
        row = {"epoch": epoch + 1, **row, "seconds": round(trained_s, 3), "memory_mb": peak_memory_mb()}
        self.progress.history.append(row)
        self._weigh(row)
        self._write()
        self._log(row)
        self._say(_line(row, self._settings.epochs))
        self.model.stop_training = self.progress.ended
        if self.asked_to_stop and self.progress.epoch < self._settings.epochs and not self.progress.ended:
            self._stop(f"epoch {self.progress.epoch}")

    def stop_between_epochs(self) -> None:
        """Raise KeyboardInterrupt if asked to stop: for what works long before an epoch's first step."""
        if self.asked_to_stop:
            self._stop(f"epoch {self.progress.epoch}")

    def _stop(self, where: str) -> None:
        raise KeyboardInterrupt(f"stopped after {where}; the same command goes on from there")

    def _weigh(self, row: dict[str, float]) -> None:
        """Keep the weights of an epoch better than all before; end when there was none for too long."""
        if self._settings.monitor not in row:
            return
        value, best = row[self._settings.monitor], self.progress.best
        lower = _LOWER_IS_BETTER[self._settings.monitor]
        if best is None or (value < best if lower else value > best):
            self.progress.best, self.progress.best_epoch = value, self.progress.epoch
            write_checkpoint(self._folder / BEST, {"weights": self.model.tail.variables}, self.progress)
        since = self.progress.epoch - self.progress.best_epoch
        self.progress.ended = bool(self._settings.patience) and since >= self._settings.patience

    def _write(self) -> None:
        self.progress.waited_s = self._before.waited_s + self._batches.waited_s
        self.progress.seconds = self._before.seconds + time.monotonic() - self._started_s
        groups = {
            "weights": self.model.tail.variables,
            "optimiser": self.model.optimizer.variables,
            "metrics": self._metric_variables(),
        }
        write_checkpoint(self.checkpoint, groups, self.progress)
        if self.progress.history:
            write_history(self._folder / HISTORY, self.progress.history)

    def _metric_variables(self) -> list[Any]:
        return [variable for metric in self.model.metrics for variable in metric.variables]

    def _log(self, row: dict[str, float]) -> None:
        """Write the epoch for TensorBoard; tf.summary.scalar would need the tensorboard package, which only reads."""
        if self._settings.tensorboard:
            import tensorflow as tf

            if self._writer is None:
                self._writer = tf.summary.create_file_writer(str(self._folder / "tensorboard"))
            scalars = tf.compat.v1.SummaryMetadata()
            scalars.plugin_data.plugin_name = "scalars"
            with self._writer.as_default():
                for name, value in row.items():
                    tf.summary.write(name, tf.constant(value, tf.float32), step=int(row["epoch"]), metadata=scalars)
            self._writer.flush()


def write_history(path: Path, history: list[dict[str, float]]) -> None:
    """Write one row an epoch as a CSV file."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_whole(path, stream.getvalue().encode())


def peak_memory_mb() -> float:
    """Give the most memory that this process ever held, in megabytes (2^20 bytes)."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / (1 << 20 if sys.platform == "darwin" else 1 << 10), 1)


@contextmanager
def stops_asked(watch: Watch) -> Iterator[None]:
    """While the block runs, Ctrl-C and SIGTERM ask the watch to stop after the step; the second one does not wait."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, frame: Any) -> None:
        if watch.asked_to_stop:
            raise KeyboardInterrupt
        watch.asked_to_stop = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _line(row: dict[str, float], epochs: int) -> str:
    shown = {name: value for name, value in row.items() if name not in ("epoch", "memory_mb")}
    return f"epoch {int(row['epoch'])}/{epochs}  " + "  ".join(f"{name} {value:.4g}" for name, value in shown.items())
