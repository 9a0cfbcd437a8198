"""Mutants: known small changes of a model as a test with known answers of the kit's own measures and bisection.

study       the command: mutants made, run, measured and localised, each result kept
bench       a model on a few pictures, what it answers and holds inside, and a mutant beside it
localising  the first layer at which two models of one graph differ, by bisection over its dominators
page        the page with the heat map of mutant x measure, the table and the text
"""
