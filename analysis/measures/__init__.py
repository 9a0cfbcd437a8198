"""What two conditions are compared by, and what makes a comparison misleading.

alignment          Models of 1,000 and of 1,001 classes brought to one list: "background" goes, and shifted indices are
                   found
cells              Two machines' predictions of the same grid, cell by cell: which differ, and the first stage that
                   tells them apart
confidence         What an answer's score is worth: precision and recall of the answers above each score, and how many
                   one keeps
degenerate         Variants that answer nothing worth comparing: named, with the reason, so that they can be left out
equivalence        Are two rates the same for all purposes: an equivalence test by intervals, which can say yes, no, or
                   not yet
gates              Gates for a build pipeline: is a rate surely below a limit, surely above it, or can these scenes not
                   say yet?
latency            Latency differences between every two conditions: location and spread, on the same items, with paired
                   tests
margins            One number a prediction for studies of repeatability: how far the accepted class is ahead, on a
                   logarithmic scale
model_variants     Which of a run's model files are variants of another (INT8, ceil mode, ...), so that tables hold them
                   as noises
mutant_measures    MEASURES: what the kit's measures say of a model and a mutant of it on the same pictures, and which
                   of them notice
pixel_differences  Where two equally large pictures differ, made visible and measured: by channel, and against the edges
                   of the base
rank_measures      How alike two short ranked lists of labels are: Jaccard, Kendall's tau for partial lists, rank-biased
                   overlap
score_distances    How far two predictions' scores are apart, from the stored labels and a bucket for the rest
ties               Ties: predictions whose two highest scores are equal, as quantised models give; which is first is
                   then chance
"""
