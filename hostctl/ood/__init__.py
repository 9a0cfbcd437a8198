"""`instability ood`: does a model wobble more on pictures that it was not trained for, and enough to tell them?

generated  GENERATED: sets of pictures that show nothing, made by a seed: noise and textures
sets       what was asked for as sets of pictures, known and unknown, in one run, each picture once
measuring  predictions, rotation classifier, scores, and the result
text       the result in the terminal, and the sentences that its page shares
page       curves, instability by set, tables, and the pictures that wobble most and least
"""
