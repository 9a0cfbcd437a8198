"""`instability flip-risk`: perturbed predictions of a run's photographs, the risk of flips from them, and its page.

predicting    the photographs predicted again in every perturbation, as ordinary predictions of the run
risk          from a run to the result: features, fits, tests, and the file for `agent predict --flip-risk`
curve_plots   one figure of several scores' curves: ROC, and precision against recall
page          ROC and precision-recall curves, reliability, and the riskiest pictures
text          the result in the terminal
"""
