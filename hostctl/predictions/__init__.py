"""The command around the grid: which environments, here or by a device, with which variants of the model.

comparing            What the predictions of several conditions say: accuracy, and what changed against the first, the
                     base
conditions           What a study compares: how a picture was made (ISP and codec) and the environment that it is
                     predicted in
designs              Which conditions a study compares: --vary words -> variants, and one at a time, factorial or
                     stacked designs
detection_rounds     Rounds of a stacked design for a detector: the harm is what mean average precision loses, not a
                     picture's label
label_gaps           Scenes whose labels a classifier does not have: it can never be right there, and its accuracy says
                     nothing
label_names          The words for people behind a run's labels: kept in the run, so that its report reads well anywhere
model_notes          What a run remembers of the models that predicted it: size, hash and family, for tables of several
                     models
model_variants       Variants of a model for people and for a run: `instability models vary`, and the family "precision"
                     of a study
objects              What predictions of boxes or masks say where scenes have a truth: labelled objects judged, and mIoU
                     beside them
predicting           Predict pictures with a model: in one condition, in the many of a design, or in a stacked design's
                     rounds
predicting_on        Predicting on a device of a lab instead of this host, and what came out otherwise than here
probing              Which of the variants asked for this machine has and this model takes, found by predicting one
                     small picture
repeating            The determinism floor measured: the same pictures predicted again and again, here or on a device of
                     a lab
rounds               ROUNDS: how a stacked design chooses its next variant and scores a round, by the task of the model
segmentation_rounds  Rounds of a stacked design for a segmentation model: the harm is what mIoU loses, not a picture's
                     first label
"""
