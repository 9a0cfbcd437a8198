"""The papers' tables: what they print, and the same from a run.

family_sizes      Size within a model family: does a larger model lose less accuracy to the same noise?
input_dependence  Does a noise depend on the picture? Measured: do its variants agree about which pictures they change
                  most?
metric_noises     What each family of noise does to a metric that is no mean over pictures, such as mIoU or mAP
mix_tables        Mix training in the form of SysNoise's tables 6 and 7: trained with one variant or with all, tested
                  with each
noise_families    SysNoise's unit: one model, its base environment, and what each family of noise does to its accuracy
noise_kinds       SysNoise's table 1, measured: whether each noise depends on the picture, its effect level, and its
                  variants
paper_conditions  Which of a run's codecs and ISPs stand for the columns of the instability paper's tables 2 to 4
paper_tables      The instability paper's tables 2 to 4 from a run: size, accuracy and instability of qualities, formats
                  and ISPs
printed_table     A paper's table made anew: its numbers, how each column is written, what was found, and what to draw
published         Values as the papers print them, to stand beside ours; every number is copied, none is worked out
sysnoise_printed  SysNoise's classification row in its own form, mean (max) ± std, with the published rows below
sysnoise_tables   SysNoise's classification table from a run: what decoder, resizer and colour take from each model's
                  accuracy
table_page        A paper's table as one HTML page and one CSV file: its numbers, its figures, and why it differs from
                  the paper
"""
