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
    judgements    people's verdicts on answers, which outdo what a scene came with
    instability   the metric and its cuts: by column, by pair, within a device, excess, disagreement
    accuracy      accuracy, more labels shown, scores, confident flips
    statistics    intervals by clusters
    margins       how far the accepted class is ahead, with censoring
    gage          Gage R&R: scenes, devices, repeats
    breakdown     all variance components of scene, device and repeat
    anova         sums of squares and components of balanced crossed studies
    reml          the same with gaps
    gage_intervals  intervals for few devices
    agreement     labels within, between, and against the truth
    kappa         Cohen, Fleiss, Gwet
    determinism   the same tensor again
    differences   every two conditions, and two pictures, compared
    pixel_differences  differences of pixels, by channel and against edges
    rank_measures, score_distances, latency   what conditions are compared by
    degenerate, alignment   variants left out; 1,000 against 1,001 classes
    mutant_measures   which measures notice a mutant
    bisect        minimal swaps of stages, and blame against chance
    attribution, attribution_intervals, attribution_answers, attribution_plot   shares of instability by stage
    effective     the default interval: how many independent items clustered ones are worth
    significance, accuracy_tests   tests of instability, and of accuracy
    population, sequential   intervals for such devices, and under optional stopping
    planning, simulate   sizes of studies, and studies with known answers
    ties          answers whose two best scores are equal
    coded         text columns as numbers into a short list of texts
    cells         the cells of two machines compared
    identify, readings   which candidate made these pixels; how values may be read
    environments  conditions of one run compared with each other; model_variants which file is which precision
    confidence    precision-recall of the first answer's score
    equivalence, gates   are two alike enough, is a limit kept
    pipelines     raw files by one ISP against the devices' own pictures
    diagnosis, looks   which stage of a device is not as it claims, from hashes and from photographs
    decoding_groups, decoding_cause   who decodes alike, and what causes what flips (decoding_plots, decoding_page)
    golden, control_charts   the golden scene, never counted, and its charts (control_page)
    placing       shares of device, place and order
    gains         what a training gained on the same items (gain_plots, gain_page)
    tables        all tables of a study, and its summary for JSON

The papers' tables
    published     what the papers print
    paper_conditions, paper_tables   qualities, formats, ISPs
    noise_families, sysnoise_tables, sysnoise_printed, family_sizes   SysNoise's classification row
    noise_kinds, input_dependence    SysNoise's table 1, measured
    mix_tables    SysNoise's tables 6 and 7, trained with one variant and tested with each
    printed_table, drawing, table_page   a table as numbers, text, figure and page

A report
    answer        the answer in words
    plots         the figures as SVG
    gallery       the most unstable scenes as cards
    sections, section_plots   what a report shows where the run has the data
    formats       the same as Markdown, JSON and JUnit
    report        one HTML file (templates/)
"""
