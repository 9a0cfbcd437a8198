"""Does a picture look unknown to a model? Scores of single pictures, and how well they tell unknown from known.

scores  SCORES: instability under small changes and the known scores of one picture, the higher the more unknown
study   every set of unknown pictures against the known: ROC areas, differences, what is accepted at 95 %, medians
"""
