"""Masks: mIoU, instability by region and by pixel, SysNoise's table 4.

drawing    Masks drawn over pictures: a colour a class, its name where it is largest, and stripes where the truth says
           another
masks      A model's mask brought onto the truth's pixels and into the truth's classes, so that the two can be compared
measures   A segmentation run by condition: mIoU and pixel accuracy with intervals, their change, and what changed by
           pixel
noises     What each family of noise does to a segmentation model of a run: mIoU, regions and pixels, for SysNoise's
           table 4
pixels     Instability and disagreement by pixel, inside of regions and in the bands along their borders apart
published  SysNoise's table 4 as it is printed: what each noise takes from the mIoU of three models on Cityscapes, in
           points
regions    The regions of a truth, and whether an answer has each: right, clearly wrong or ambiguous by their overlap
rows       A segmentation run's verdicts: each region of the truth in each condition, in the columns of the predictions
scores     How well masks agree with the truth: the confusion of classes, IoU a class, their mean (mIoU) and pixel
           accuracy
section    The report's part about segmentation: mIoU by condition and class, and unstable pixels by where they lie
table      SysNoise's table 4 from a run: what each family of noise takes from each segmentation model's mIoU, as
           printed
"""
