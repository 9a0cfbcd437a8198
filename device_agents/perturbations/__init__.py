"""What is done to a picture on purpose: corruptions, sequences, shifts and natural changes, by name, seeded by file.

families     Perturbation: an operator, the stream of its random numbers, and what it is applied to
known        PERTURBATIONS, all by name
corruptions  CORRUPTIONS: ImageNet-C's, by severity; their noise, blur, weather and digital ones in files of their own
sequences    SEQUENCES: ImageNet-P's, frame by frame; sequences_moved holds those that move the picture
shifts       SHIFTS: the one-pixel protocols and shift consistency; inpaint fills what is around
natural      NATURAL: a production line's light, colour and noise; moved holds the geometry
turned       TURNED: by whole quarters
chains       names joined by "+": checked, and done to one picture with shared work
"""
