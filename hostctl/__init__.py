"""The front door and the laboratory.

cli            the command line: the other cli_ files hold its commands, cli_command what one is; printing lays out
               what a person reads, plain_words makes devices' words harmless; commands and findings hold each as a
               function
demo           the main job on a virtual rack
lab            lab.toml -> Lab (lab_checks, lab_entry); asked what it asks of a run; laboratory opens it (lab_display
               is its server, with a page for each browser); inspection checks its devices
plans          generators of steps (golden_scene, rotation, session_plan); sitting does a lab's session (space_needed,
               mount)
runner         its loop: floor is what goes on at once, attendance who takes part (gates: hot or empty; timing: how
               long one is waited for)
collect        from a photograph on a device to a picture in the run; examine looks at it in worker processes; place
               takes out where it was taken
transport      the Transport protocol and the local one; adb (adb_client, adb_streams), adb_shell_transport, ssh
               (ssh_stream, host_keys) are the others; lines what they send, under limits
device         a device of the rack; same_device whether it still is the same one; shutter makes it take photographs
stock_camera   the shutter of phones: phone_camera makes it, remote_folder reads folders, phone_profiles and
               learnt_keys know cameras, changed_settings and logcat remember; health says how a phone is; clearing
               frees its storage
phone_setup    from a phone in a hand to its entry in the lab file (phone_waiting, phone_trial, person)
bounds         how much of a device is taken
agent          the zipped agent on a device (agent_checks what it may say); agent_environment its libraries there
               (agent_wheels); predictor what predicts on a device; web_predictor the page as one
web_device     a browser as a device: web_pages serve its page, web_link holds its jobs, web_wire writes them,
               web_checks what it may say; joining brings phones to it; certificate the authority for https
               (certificate_files)
display_tablet a tablet as the screen
qualifying     is the rack fit to measure (its measures, scores, page); drifting did it change during a run
               (golden_photographs); rotation who stands where
grid           pictures x environments in parallel; predicting, predicting_on, conditions, designs, probing and
               comparing are the command around it; model_notes keeps what models there were
batch          pictures on many devices at once: schedule decides, batch_work and batch_rows do, batch_crew and
               batch_devices are asked, batch_status and batch_text tell; holding keeps a device for one command
pool           devices of other hosts: pool_offer offers them, pool_host is one of them
decoding       the same pictures as JPEG and as PNG on many executors (executor_environments makes theirs), and the
               cause of what differs: decoding_pictures, _work, _pixels, _result, _text
developing     raws x ISPs x codecs into a run; development is the command around it; importing, file_runs, parents,
               picture_versions and parallel are its parts
noise_pictures what each noise does to a picture; difference_map where two differ; noise_page their pages
datasets       labelled pictures written out by variants; prepared predicts them without resizing again
model_variants variants of a run's model (INT8, ceil mode, ...), made, checked and noted
tabling        a table of the papers from a run
checking       a run held against limits; comparing_runs what an update broke and mended
explaining     which stage turned an answer over: flips finds them, ways, explain, layers and layer_cuts compute,
               explained and explain_page show
attributing    shares of an instability by stage: players are the ways compared, attributing_text the answer
study_plan     how large a study must be; until_width photographs until an interval is narrow
identifying    which variants made these pixels; pixel_files reads them
variants       every family, the libraries behind it, and what is alike on this machine
training       a fine-tuning as a command; schemes its baselines, closing what it gained (judged_run, calibration_cost,
               closing_report, training_text)
searching      table 6 by nested cross-validation (table6, its numbers and parts); mix the train x test matrices;
               mitigations ways to steadier answers side by side (its rows and table)
demo_train     the demo that trains, and its page
diagnosing     which stage of a device is not as it claims (reported, remade, photographs, diagnosed)
importing_predictions answers that are there already (prediction_table); importing_photographs the same of photographs
run_folders    runs listed, measured, pruned, migrated; run_export takes one elsewhere, anonymised if asked
judging        a page on which a person judges answers; scene_lists words to labels by a map
licences       what an installation is made of, and under which terms
repeating      the determinism floor
feature_maps   what a variant of a model does to its feature maps
processes      workers that stay; steady_memory few heaps for many threads
dashboard      the live page (page_files): progress_board what a session has come to, so_far its result, vitals how
               devices are
reporting      from a run to its summary and its report; label_names keeps the words for people
virtual/       phones that speak ADB, boards behind SSH, the screen that their cameras see
"""
