"""`instability repeats`: the metrology reading of a run: the same device and scene again, by the time between.

measuring    from a run to the result: repeat shots by lag, the R&R study, agreement of labels, advice on sizes
page         the report page of it
text         the result in the terminal
"""
