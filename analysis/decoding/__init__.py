"""Who decodes alike, and what causes what flips.

cause   The cause of what flips between executors, worked out by rules, and the sentence that names it
groups  Who decodes alike: executors grouped by fingerprints and by scores, and their instability on JPEG and on PNG
page    The page of the decoding experiment: the sentence, the groups, both rates, and the pictures that differ most
plots   The figure of the decoding experiment: who is in which group, stage by stage, on JPEG and on PNG
"""
