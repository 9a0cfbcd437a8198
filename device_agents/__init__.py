"""What runs on a device: the shared words (records) and deeds (decode, resize, predict), shipped whole as one zip.

Needs only the standard library, numpy and Pillow at import (to shoot, the library alone); Python 3.9
syntax; imports no sibling package.

__main__    the agent's commands: info, shoot, predict JOB; JSON lines out, one a result
records     Scene, Step, Picture, Environment, Prediction: frozen dataclasses, to and from one JSON line
errors      KitError and its few children; pick(table, name)
machine     what machine this is, as read from it
hashing     hash_file: the sha256 of a file's bytes
camera      CAMERAS: one still by the platform's own program; shots looks at what that left
board_environment  a board's Python, and a virtual environment made there; standard library alone
page_names  what a browser has in the place of the usual decoder and runtimes
decode      DECODERS: bytes -> RGB; decode_jpeg holds the JPEG decoders of other libraries, decode_jpeg_xl a size
view        VIEWS: the part of a photograph that the model sees
colour      COLOURS: RGB -> RGB round trips; yuv holds their arithmetic
resize      RESIZERS: RGB -> RGB of a size; interpolate holds the kit's own
fit         FITS: which part of a picture goes to the model's input size
placed      PLACEMENTS: where the viewed picture lies in the model's input
preprocess  decode -> view -> colour -> resize -> scale, and the fingerprint after each stage
sidecar     the small file that says how a model wants its input
network     a loaded model: a tensor to all outputs; the classifier that it may be
runtimes    NETWORKS, RUNTIMES: model file -> network, classifier; runtimes_graph and runtimes_more hold loaders
runtime_libraries  which runtimes and delegates this machine has
noise       NOISES: (RGB, rng) -> RGB
tasks/      TASKS: raw model outputs -> an answer
flip_risk   the risk that another device answers otherwise, from one picture
perturbations/  what is done to a picture on purpose
predict     the loop: pictures x environments; one failure never stops the rest
"""
