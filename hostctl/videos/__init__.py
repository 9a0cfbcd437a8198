"""Consecutive frames of videos as near-identical inputs: does a model's answer hold from frame to frame?

frames       videos to a run whose pictures are their frames, by one device, at their times
numbers      flips between frames, pm-k accuracy, flips under synthetic changes, and how far the two go together
video        the command: frames, predictions, numbers
text, page   the result for the terminal, and as a page with the frames around the surest flips
"""
