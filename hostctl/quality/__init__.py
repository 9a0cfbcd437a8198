"""Is the rack fit to measure, and did it stay so.

drifting            `drift`: did screen or cameras change during a run: control charts of each device's golden
                    photographs
golden_photographs  What a device's photographs of the golden scene measured, in the order of time
golden_scene        The golden scene among the steps of a plan: shown before every n-th scene and at the end of each
                    block
measures            What a device saw of the charts, read from a run and measured: every score of a qualification but
                    "accepted"
page                The page of a rack's qualification: scores, what to do, the charts as each device saw them,
                    definitions
qualifying          `qualify`: every device of a lab photographs built-in charts several times, and is scored against
                    limits
scores              SCORES: what a rack is qualified by: each score's definition, source, unit, limits, and what to do
                    when it fails
"""
