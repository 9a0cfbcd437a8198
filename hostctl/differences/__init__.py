"""The differential test: the same models in many frameworks, at many levels and on many devices, without labels.

asked       The models of a call, which files are one model, and the variants that each can run in
differing   `instability diff`: measured, compared, looked into, written down
inputs      A picture's bytes to every input that the variants want, decoded and resized once
kept        What a test keeps in its run: times, marks and output differences, a part a block
kinds       KINDS: of every runtime its framework, its level, the files it takes, and whether it is usual
layers      Where two variants part: one file cut at its tensors, or all layers of two files side by side
localising  Which differences are looked into, and what is said of each
measuring   The loop: blocks of pictures, rounds in Williams' order
on_device   The same variants on a device of a lab, through its agent
one_output  A model file with one of its outputs, so that its graph can be cut
page        The page, from the result
result      From what was kept to variants, pairs, groups, means and the sentence
text        What a person reads in the terminal, and a build pipeline as JUnit XML
"""
