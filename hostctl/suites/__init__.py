"""Suites of the repeatability literature, run through the grid: what is asked, done, told and held against limits.

asked     which suite, families and environments; whom it does not fit
running   a suite's predictions, made or gone on with, and the numbers of them
text      the numbers as a person reads them, models side by side
page      the same as a page with its plots and CSV
gate      limits on the flips of a suite, for a build pipeline
frozen    a user's own set of pictures, that every later model is scored on; freezing is the command around it
"""
