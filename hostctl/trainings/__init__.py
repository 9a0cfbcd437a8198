"""A training as a command: baselines, the search for a scheme, and what it gained on the devices.

calibration_cost  The calibration-cost curve: how steady a model becomes with so many photographs a class of a new phone
closing           The closed loop: train, export, predict again on objects never trained on, and say whether the gain is
                  real
closing_report    The report of a closed loop: from its predictions to numbers, tables, figures, and the files that hold
                  them
judged_run        The run of a closed loop: the held-out objects' pictures by all devices, predicted by every trained
                  model's files
mitigation_rows   The sums of mitigations side by side: from what all heads answer to a row for each way, with intervals
                  and tests
mitigation_table  `instability mitigate`: mitigations side by side as one table: for the terminal, a page, CSV, Markdown
                  and JSON
mitigations       Mitigations side by side: heads trained in every way on some objects and judged on others, for devices
                  of a run
mix               `instability mix`: trains with each variant of a family and with all, tests with each, and writes the
                  table
schemes           What a trained model is compared with: the same training without its noise, and simpler ones
searching         `instability search`: a study by nested cross-validation on a run's photographs, and the paper's table
                  6 from it
table6            Table 6 and figure 7 of a study as a page, Markdown, CSV, JSON and text, and what of the paper holds
                  here
table6_numbers    Table 6 and figure 7 of the instability paper, from the attempts that validation chose: the numbers
                  and the tests
table6_parts      The parts of table 6 as they are printed: which columns, what they are called, and how schemes are
                  named
training          `instability train`: photos of a run or folder and settings to a trained model's folder and the files
                  for devices
training_text     What a person reads in the terminal when a training is done: its files, its accuracy, and what it
                  brought
"""
