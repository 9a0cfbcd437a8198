"""Intervals and tests by clusters, and how large a study must be.

accuracy_tests  Tests of accuracy between conditions: Cochran's Q, exact McNemar with Holm's correction, and churn
effective       The interval of a clustered rate by a beta distribution at an effective sample size, for one study or
                many at once
planning        How large a study has to be for a wanted interval, and how long a step of it takes
population      Intervals for *these* devices and for *such* devices: whether the devices too are a sample
sequential      An interval that stays valid however often one looks: for studies that stop when they are precise enough
significance    Tests of instability by exchanging labels: do devices differ beyond shot noise, and do two instabilities
                differ
simulate        Studies whose truth is known, many at once: what the intervals and tests of this package are tried on
"""
