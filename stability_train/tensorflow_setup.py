"""Loads TensorFlow as the training wants it: the backend of Keras, quiet, with the number of threads asked for."""

from __future__ import annotations

import os

from device_agents.errors import BadInput, MissingExtra


def load_tensorflow(threads: int = 0) -> None:
    """Import TensorFlow with Keras upon it, on this many threads (0: as many as it likes).

    One thread makes a training the same to the last bit every time. Raises MissingExtra where it is absent, and
    BadInput where this process has computed with another number already.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        import keras
        import tensorflow as tf
    except ImportError as problem:
        raise MissingExtra(
            "training needs tensorflow and keras; pip install 'instability-kit[tensorflow]'"
        ) from problem
    if keras.backend.backend() != "tensorflow":
        raise BadInput(f"expected Keras upon tensorflow, got {keras.backend.backend()}; unset KERAS_BACKEND")
    threading = tf.config.threading
    if threads and (threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads()) != (
        threads,
        threads,
    ):
        try:
            threading.set_intra_op_parallelism_threads(threads)
            threading.set_inter_op_parallelism_threads(threads)
        except RuntimeError as problem:
            raise BadInput(
                f"threads {threads}: TensorFlow already computes with another number here; begin a new process"
            ) from problem
