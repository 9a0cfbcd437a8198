"""The differential test of variants: order, times, outputs, layers, groups.

layers    Where two runs of a network part: layers of two files brought together, and the first of them beyond a
          tolerance
order     The order in which variants are timed: every one in every place, and after every other, equally often
outputs   Raw outputs of two variants of one model compared, whatever the task: their bits, and how far they are apart
page      The page of a differential test: the sentence, each model's matrices, where variants part, and every number
plots     The figures of a differential test: N x N matrices of labels, ranks, outputs and times, and the times
          themselves
times     Times of variants from interleaved rounds: medians with exact intervals, drift from first to last, paired
          ratios
variants  Variants of models held against each other: which are far from all others, and what each axis changes on
          average
"""
