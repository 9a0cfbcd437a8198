"""The commands: what each is called, asks for and prints; a file is a group of them, and cli.py puts them together.

batch        The command of batches: batch
causes       Commands that say where an instability comes from: attribute, explain, identify
command      What a command of the command line is: its words, its options, and what it does
decoding     The command of the paper's section 7: decoding
devices      The command `devices`: check a lab's devices, set up a new phone, make certificates, clear photographs of
             runs
diagnose     The command that names faults blind: diagnose
differences  The command that compares frameworks, levels of optimisation and devices on the same models: diff
elephant     The command of the elephant test: elephant
findings     Commands that say what a run found, and what a study needs: report, plan, check, compare
flip_risk    The command that says which pictures another device would answer otherwise: flip-risk
freeze       The command that fixes a set of perturbed pictures: freeze
judge        Commands about what counts as right: scenes (words to labels by a map), judge (a person says so)
lab          Commands about the laboratory itself: qualify (is the rack fit to measure), drift (did it change during a
             run)
language     The command of language models: language questions, text and harness
mitigate     The command that puts mitigations side by side: mitigate
mix          The command of mix training: mix
models       Commands that run a model: models, predict
mutants      The command that makes mutants of a model and asks which measures see them: mutants
ood          The command that asks whether a model wobbles on pictures that it does not know: ood
pictures     Commands that make pictures or look at them: develop, variants, noise, dataset
pool         The command of pools: pool (open, offer, list)
rack         Commands of the rack and of the main job: demo, run, show
remedies     The command that compares remedies against unsteady answers: remedies
repeats      The command that reads repeat shots as metrology: repeats
runs         Commands about what is on the disk: import, runs (list, size, prune, retry, ...), licences
search       The command that tries many trainings and tells honestly which is best: search
suite        The command that runs a suite of the repeatability literature: suite
train        Commands that change a model: train
video        The command that compares consecutive frames: video
"""
