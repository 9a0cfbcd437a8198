"""Boxes: mAP, objects across environments, the elephant test, SysNoise's table 3.

changes     Boxes of two conditions compared without a truth: which stay, appear, vanish or switch class, how far they
            move
drawing     A detector's boxes drawn on a picture: found, false and missed ones told apart by line and sign, not colour
            alone
elephant    The elephant test in numbers: what a detector makes of an object pasted into a picture, and of everything
            else there
matching    Boxes of two sides put together one to one: by overlap, as many as possible, whatever order they come in
noises      What each family of noise does to a detector of a run: mAP and labelled objects, for SysNoise's table 3 and
            figure 3
objects     A detection run's verdicts: each labelled object in each condition is right, clearly wrong, ambiguous or
            missing
precision   Mean average precision over many conditions by pycocotools: what conditions share is prepared and matched
            once
published   SysNoise's table 3 as it is printed: what each noise takes from the mAP of five detectors on COCO, in points
resampling  How far a mean average precision may be from the truth: clusters of pictures are drawn again, nothing
            matched again
section     The report's part about detection: precision by condition, what becomes of objects and boxes, and at which
            scores
table       SysNoise's table 3 and figure 3 from a run: what each noise takes from each detector's mAP, as printed
tables      A detection run's precision by condition: mAP with intervals by clusters, its change, and precision by class
"""
