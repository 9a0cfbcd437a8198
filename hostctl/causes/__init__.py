"""Why answers flip, and which stage of a device is not as it claims.

attributing       Attribution of a run's instability to stages: counts the cost of the hybrids, computes those missing,
                  and answers
attributing_text  What a person reads of an attribution: its cost, the sentence, the shares, what-ifs and what limits
                  them
diagnosed         What a diagnosis says: the cost of what was found, the rows for a report, and the text that a person
                  reads
diagnosing        `instability diagnose`: which stage of which device's way is not as it claims, or not as on the other
                  devices
explain_page      Writes what explains a flip: a page for each, the two ways side by side at each stage, and one page
                  for all flips
explained         What was found out about one flip, and the same as plain values for JSON, the terminal and the pages
explaining        Explains flips: what differs first, which smallest swaps restore the answer, and whether chance does
                  it as well
feature_maps      Feature maps: where a variant of a model (INT8, ceil mode, ...) differs from it inside, on one picture
flips             Finds the flips of a run: pairs of ways that saw the same thing and of which one is right and one
                  clearly wrong
identifying       Find the way through the catalogue that turned a picture into given pixels: candidates made in stages,
                  then compared
layer_cuts        GRAPHS: a model file's graph, and pieces of it as model files of their own, for ONNX and for TFLite
layers            Layers: one way's values put into another way's run at each dominator of the graph, to see where the
                  answer turns
photographs       The photographs of a run's devices as looks: each file is opened once, its scene cut out, and its
                  coding read
pixel_files       `instability identify`: files of pixels to readings, the search, and the contract that comes of it
players           The ways that an attribution compares: from words or a run's devices to variants at each stage, and
                  back
remade            Makes what a device should have made: the marks of a picture file after each stage, and the model's
                  answer
reported          What agents reported of their pictures against what this host makes of the same bytes: which stage is
                  not as claimed
ways              Ways: how one shot became one answer, stage by stage; and hybrids, which take some stages of another
                  way
"""
