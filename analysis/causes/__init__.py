"""Whose fault: shares by stage, a device's stage not as it claims.

attribution_answers    What an attribution says: shares and interactions with intervals, what-ifs, and a condition not
                       yet seen
attribution_intervals  Intervals of an attribution's shares and interactions, by cluster
attribution_plot       The figure of an attribution: each stage's share of the instability with its interval, the
                       largest first
diagnosis              Which stage of a device's way is not as it claims: decided from proofs (hashes) and from the
                       looks of photographs
looks                  How the photographs of one scene by several devices differ in look: exposure, tone, colour,
                       shading, edges, noise
pipelines              Raw against the device's own pipeline (the paper's figure 8): the same steps as shot, and
                       developed by one ISP
readings               Readings: what a model's input tensor says of the picture before scaling, for each scaling that
                       could have made it
"""
