"""Numbers and pictures from runs; never touches a device.

A run's folder
    store         everything in a run folder goes through Run
    ledger        its connection, the one writer's lock, transactions
    schema        its tables, and records as their rows
    attempts      steps and the attempts at them
    shards        which predictions are missing, and the commit of a finished shard
    parts         predictions as Parquet parts
    files         files written aside, made durable and renamed
    run_settings  settings as TOML, and two sets of them compared
    frames        typed DataFrames, and the long table of predictions
    homes         one prediction a picture and model: on the device itself, or else on the host

Numbers
    verdicts      right, clearly wrong, ambiguous or missing
    instability   the metric and its cuts: by column, by pair, within a device, excess, disagreement
    accuracy      accuracy, more labels shown, scores, confident flips
    statistics    intervals by clusters
    differences   two pictures of one scene compared
    tables        all tables of a study, and its summary for JSON

A report
    answer        the answer in words
    plots         the figures as SVG
    gallery       the most unstable scenes as cards
    report        one HTML file (templates/)
"""
