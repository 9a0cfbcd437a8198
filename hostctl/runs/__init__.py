"""Runs as a whole: their report, tables and limits; listed, taken elsewhere, brought in from elsewhere, judged.

checking               `instability check RUN`: gates for a build pipeline, on the ends of intervals; "cannot say yet"
                       is an answer too
comparing_runs         `instability compare RUN_A RUN_B`: what an update of the OS, the app or the model broke, and what
                       it mended
export                 Copies a run for others, as a folder or a zip; anonymised: no place, serial number, owner, key or
                       preview
folders                Runs as folders: list them, say their size, remove what nothing refers to, copy one to the newest
                       schema
importing_photographs  Makes a run of photographs that a team has already, in a folder a device; `predict` and `report`
                       take it
importing_predictions  Makes a run of answers that a team has already, a table of them, so that the whole report serves
                       it
judging                A page on which a person judges the answers of a run: right, clearly wrong, or neither; the
                       verdicts stay in the run
prediction_table       Reads answers made elsewhere: a CSV file with a row an answer, every mistake in it told at once
                       with its row
reporting              From a run to its summary and its report: reads the store, calls the analysis, and loads the
                       pictures it shows
scene_lists            A folder or list of labelled pictures made into a scenes file for a model, by a map of its words
                       to labels
study_plan             How many scenes and repeats a wanted interval needs, and how long the session will take on a lab
tabling                `instability report RUN --table NAME`: a table of the papers from a run, as a page, as CSV, as
                       JSON and as text
"""
