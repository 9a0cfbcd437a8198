"""Mutants: known small changes of one layer of an ONNX model.

graph      An ONNX graph under edit: its constants and sizes, and the few ways in which a mutant changes a node
mutants    MUTANTS: known small changes to one layer of an ONNX model, to test whether the kit's measures notice and
           find them
operators  OPERATOR_KINDS: mutants of what a layer computes: activations, padding, strides, axes, operators and their
           order
weights    WEIGHT_KINDS: mutants of a layer's numbers: its weights rounded, swapped or turned, its bias dropped or
           shifted
"""
