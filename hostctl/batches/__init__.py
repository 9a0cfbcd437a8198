"""Pictures on many devices at once, and devices of other hosts.

crew        The devices that a batch works with, held for it alone: opened from a lab, or taken from a pool of other
            hosts
devices     The devices of a batch: which are asked for, who may share whose work, and what is asked of each
pool        The side of a pool that wants devices: what is offered by other hosts, taken, and made to predict
pool_host   One device offered to a pool: a Dask worker of its own, which holds the device for one client at a time
pool_offer  The side of a pool that has the devices: the scheduler that knows them all, and a process for each device
            offered
rows        The matrix of a batch: its rows, what each owes and who made it; work goes into the run as it comes
schedule    Who does what next in a batch: shards cut by measured time, retries on another device; no clock, thread or
            file
status      How a batch ended: a status for each row of its matrix and for the whole, each with an exit code of its own
text        What a person and a build pipeline read of a batch: tables in the terminal, and JUnit XML
work        A batch at work: a thread a device takes shards from the schedule, and what comes back is committed as it
            comes
"""
