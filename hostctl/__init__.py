"""The front door and the laboratory.

cli            the command line, put together from command_line/; commands and findings hold each command as a function,
               printing lays out what a person reads, plain_words makes devices' words harmless
lab            lab.toml -> Lab; labs/ opens it: devices, shutters, who holds what, the screen, the mount
plans          generators of steps; sessions/ is one sitting, runner its loop, dashboard its live page
transport      the Transport protocol and the local one; adb and ssh are the others, on transports/
agent          the zipped agent on a device; agents/ its libraries and what it may say
grid           pictures x environments in parallel; predictions/ is the command around it
batch          pictures on many devices at once; batches/ its parts, and the pool of other hosts' devices
explain        the hybrids that bisection and attribution ask for; causes/ says which stage turned an answer over
variants       every family, the libraries behind it, and what is alike on this machine
licences       what an installation is made of, and under which terms

phones/        a phone over ADB: camera app, folders, settings, health, set-up
browsers/      a page as a device, and the certificates it needs
differences/   the same models in frameworks, at levels and on devices compared
languages/     a language model under precision noise: questions, texts, the harness
suites/        shifts, corruptions, sequences and natural changes, run, told, held against limits; frozen sets
videos/        does an answer hold from frame to frame
repeats/       repeat shots as metrology: by lag, R&R, and how many more are needed
remedies/      ways to train and test for steadier answers, side by side under every noise
flip_risks/    which pictures will flip elsewhere, without labels
ood/           does a model wobble more on pictures that it does not know?
mutants/       known small changes of a model, as a test of the measures and of bisection
quality/       is the rack fit to measure, and did it stay so
decodings/     the same pictures as JPEG and PNG on many executors
pictures/      pictures developed, listed, written out
trainings/     trainings, searches, mitigations as commands
runs/          reports, tables and limits; runs listed, exported, imported, judged
demos/         the main job on a virtual rack
workers/       processes and threads for the heavy work
virtual/       phones that speak ADB, boards behind SSH, the screen that their cameras see
"""
