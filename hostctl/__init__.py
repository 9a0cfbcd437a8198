"""The front door and the laboratory.

cli            the command line; printing lays out what a person reads; commands holds each command as a function
demo           the main job on a virtual rack
lab            lab.toml -> Lab; laboratory opens it; inspection checks its devices
plans          generators of steps; sitting does a lab's session; runner is its loop
collect        from a photograph on a device to a picture in the run; examine looks at it in worker processes
transport      the Transport protocol and the local one; adb, adb_client, adb_shell_transport, ssh are the others
device         a device of the rack; shutter and stock_camera make it take photographs; health says how it is
agent          builds the zipped agent, puts it on a device, calls it
grid           pictures x environments in parallel; predicting, designs, probing and comparing are the command around it
variants       every family, the libraries behind it, and what is alike on this machine
reporting      from a run to its summary and its report; label_names keeps the words for people
virtual/       phones that speak ADB, boards behind SSH, the screen that their cameras see
"""
