"""What a run's folder holds, below store.py: the ledger, its records, the parts of predictions, the tables.

attempts      Steps and the attempts at them: what is still to do, what was tried, and with what result
coded         Text columns of a long table as numbers into a short list of texts; a text stands in memory once, not in
              each row
files         Files of a run: written aside, made durable and renamed; pictures are named by their sha256
frames        DataFrames of a run: its ledger's rows as typed columns, and the long table of predictions
golden        The golden scene: photographed every few scenes to watch screen and cameras, never predicted, never
              counted
homes         One prediction a picture and model: made where the device's model runs, on the device itself or else on
              the host
judgements    People's verdicts on single answers: is this label right for this scene, clearly wrong, or neither?
ledger        The ledger of a run: the connection, the one writer's lock, and transactions
parts         Predictions as Parquet parts: one part a finished shard, its name and bytes fixed by its predictions
run_settings  A run's settings: written as TOML, read back, and two sets of them compared key by key
schema        The tables of a run's ledger, and records as their rows: each key once, the same record again is no news
shards        The book of predictions: which are missing, and the commit of a finished shard
"""
