"""Which pictures will another device answer otherwise: features of the answers, a calibrated risk, and how good it is.

rows         the long table of predictions as one row a picture, with its features, and one a picture and other device
baselines    what needs no fit: margin, entropy, highest score, at ODIN's temperature, and the perturbations alone
logistic     the risk: logistic regression with a ridge, chosen and tested by folds over clusters
curves       ROC and precision-recall, areas with intervals by clusters, and paired differences of areas
calibration  reliability by bins, Brier score
study        devices held out, all of the above for each, and the file that the agent takes
"""
