"""What is done to a picture on purpose: corruptions, sequences, shifts and natural changes, by name, seeded by file.

families     Perturbation: an operator, the stream of its random numbers, and what it is applied to
known        PERTURBATIONS, all by name
chains       names joined by "+": checked, and done to one picture with shared work
"""
