"""Remedies against unsteady answers, trained on the same pictures and the same draws, and tested under the same noise.

augmentations.py    pictures changed while training: CutMix, Cutout, amplitude and phase, RandAugment, ...
random_network.py   a small image-to-image network with broken weights, as an augmentation
remedies.py         REMEDIES: what each trains with, its loss, its network, and what it does when it is asked
bank.py             the examples of a training: several draws a picture, the same crops for every remedy
conditions.py       CONDITIONS: what the trained models are tested under, by family
parts.py            a network at a small input, cut into its frozen front and the trained rest
tails.py            a training of that rest from kept features, in one call
rotation_head.py    the auxiliary question: by how many quarters was the picture turned?
adversarial.py      pictures changed against the model within a few grey levels: PGD
test_time.py        answers averaged over crops, and TENT: normalisation fitted to the pictures being asked about
study.py            a comparison on disk: what was asked for, its trainings, its answers by condition
"""
