"""Repeatability and reproducibility: Gage R&R, agreement of labels, the determinism floor, control charts.

anova           Analysis of variance of a balanced crossed study: sums of squares, mean squares, components of random
                effects
breakdown       Variance components of a score by scene, device, repeat and all their interactions, over complete scenes
control_charts  Control charts of single values: centre, limits from moving ranges, and the four rules of Western
                Electric
control_page    The page of a run's drift: a table of all control charts, and each device's charts against time
determinism     The determinism floor: the same input tensor again, in the same environment, should give the same scores
gage            Gage R&R: how much of the spread of a measured score comes from the scenes, the devices, and mere
                repetition
gage_intervals  Intervals for variance components and their ratios when the devices are few
gage_planning   How wide the interval of a gage study's %GRR is likely to be with other numbers of scenes, devices
                and repeats
kappa           Agreement beyond chance: Cohen's kappa, Fleiss' kappa and Gwet's AC1, with intervals by subjects or by
                clusters
lags            Repeat shots by the time between them
placing         Whose is the spread of a score: the devices', their places on the mount, or the order of the blocks
reml            Variance components of a crossed study with gaps, by restricted maximum likelihood (REML)
"""
