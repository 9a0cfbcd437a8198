"""From raw model outputs to a prediction.

families        TASKS: a model's raw outputs -> what it answers; asked holds what all tasks share
answers         boxes and masks as text, of a model or of a truth
classification  scores -> the top classes
detection       outputs -> boxes, labels, scores: detection_outputs reads a file's outputs, detection_heads HEADS,
                detection_settings every switch of the post-processing, detection_defaults what each head begins with
boxes, anchors, suppression   the arithmetic of boxes
segmentation    logits or classes -> a mask
language        log-likelihoods -> next tokens, perplexity, the choice among endings
"""
