"""A language model under precision noise: its answers to questions and its next tokens, kept in runs.

asked      the conditions of a call: precisions, runtimes and threads, one changed at a time
cards      a question as a picture, so that a report shows it
filling    the loop: what of a run is missing in each condition, the model loaded once
questions  `instability language questions`: accuracies and what each condition changed
texts      `instability language text`: perplexity and next-token flips
harness    `instability language harness`: lm-evaluation-harness's own tasks in each precision
rows       each condition's accuracy or perplexity, and what it changed of the base
told       what a person reads of them
"""
