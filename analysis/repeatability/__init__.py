"""Is the same picture, slightly changed, given the same answer: the measures of the repeatability literature.

suites        SUITES: which perturbations belong together, and how the answers to them are judged
answers       a run's predictions as matrices of pictures and perturbations
comparisons   flips, top-5 distance and changes of a class's probability between two answers each
corruption    error, CE and mCE, with AlexNet's errors
numbers       one tidy table of a suite: every measure of every family, with its interval
relative      the same relative to a baseline: flip rate, mFR, CE, and paired differences
curves        error by severity, flips by frame, probability against shift
"""
