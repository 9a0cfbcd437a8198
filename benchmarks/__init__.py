"""What is fast, against what: each file measures one thing as ratios within one run. `make bench`, or
`python -m benchmarks NAME ...`; nothing here is asserted, and absolute times are those of this machine today.

command_line   how long `instability --help` takes
controller     a step of eight devices against a step of one, with the session's timeline
transfer       a 20 MB pull through the ADB transport against the `adb pull` command
demo           the demo as a user feels it
grid           many environments of one model, against the work that none can avoid and against the nested loop
task_grid      grids of detection and segmentation against the work that none can avoid
detection_precision  mAP of many environments against pycocotools called for each
isp            the kit's own ISP against LibRaw's AHD, 12 megapixels
corruptions    the corruptions against the reference package's and glass blur against its loop, 224 x 224; memory
suites         the shift, corruption and sequence suites against the work that none can avoid
memory         peak memory of a grid over 200 and over 2,000 files
analysis       loading 20 million predictions and computing their instability with its interval
sealed_faults  racks with hidden faults, told blind by `diagnose` (make sealed; not part of make bench)
mutations      thousands of damaged files for every decoder, in processes that may crash
batch          four devices against one, and the controller's overhead, with devices that sleep
training       a stability step against a plain one, kept features, waiting for data
soak           eight virtual devices with random faults and kills for an hour, audited (make soak; not part of make
               bench)
wrong_frames   30,000 bad virtual shots and 5,000 good ones: is a wrong one kept (make frames; not part of make bench)
power_loss     a power loss at every write (make power; not part of make bench)
coverage       coverage of all intervals over simulated studies (`make coverage`, not part of `make bench`)
report         the report of a drawn run of 10,000 pictures: seconds, and the size of the page

large_run        draws the run for that (no bench)
drawn_scenes     draws labelled scenes (no bench); drawing holds its tools
readme_pictures  makes the README's pictures from a run of these scenes (no bench)
"""
