"""`instability remedies`: trainings and tricks against unsteady answers, side by side.

running         the command: photos, what is missing of the trainings and answers, the table and its files
remedy_numbers  from all answers to numbers: a row a remedy, with intervals, and paired tests against plain fine-tuning
remedy_table    the numbers as one table: its parts, figures, notes and the sentence that its intervals support
"""
