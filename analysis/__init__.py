"""Numbers and pictures from runs; never touches a device.

store         everything in a run folder goes through Run; run_folder/ is below it: ledger, records, parts, tables
verdicts      right, clearly wrong, ambiguous or missing; task_rows each task's smallest labelled unit: picture, object,
              region
instability   the metric and its cuts: by column, by pair, within a device, excess, disagreement
accuracy      accuracy, more labels shown, scores, confident flips
statistics    intervals by clusters; intervals/ holds the default one's arithmetic, tests, stopping, sizes of studies
agreement     labels within, between, and against the truth; metrology/ Gage R&R, kappas, control charts
differences   every two conditions, and two pictures, compared; measures/ what by
environments  conditions of one run compared with each other
bisect        minimal swaps of stages, and blame against chance
attribution   shares of an instability by stage; causes/ its intervals, and what a device is accused of
identify      which candidate made these pixels
tables        all tables of a study, and its summary for JSON
plots         the figures as SVG
report        one HTML file (templates/); pages/ holds its parts
gains         what a training gained on the same items

detection/, segmentation/, language/   what belongs to boxes, masks and texts, SysNoise's tables 3, 4, 5 among it
differential/   frameworks, levels and devices compared
repeatability/  shifts, corruptions and sequences: suites, and how often answers to the same picture change
flip_risk/      which pictures will flip on another device, without labels
ood/            how unknown a picture looks to a model, and how well that tells unknown from known
decoding/       who decodes alike, and what causes what flips
papers/         the papers' tables: what they print, and the same from a run
"""
