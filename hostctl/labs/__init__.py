"""What stands in a laboratory: its file checked, its devices opened, held and inspected, its screen and its mount.

asked        What a lab file asks of a run, as it stands in the run's settings: later fields only where they ask for
             something
checks       What may be wrong with the devices of a lab file: each mistake noted in plain words
device       A device of the rack: a transport, a shutter and, where the model runs on it, an agent; made from its
             settings
display      A lab's display server: the screen's page, and a page with a link and a token of its own for each browser
             device
entry        Adds a [[device]] table to a lab file: what stands there is kept to the letter, and no entry is ever
             changed
holding      Devices held by one command at a time on this host: a locked file for each device, with its holder's name
             in it
inspection   Checks every device of a lab before a session: reachable, authorised, camera, space, battery, heat, clock
laboratory   A lab opened for work: its display server, its virtual rack if it has one, and its devices, all connected
mount        The mount of the cameras brought to an angle: by the virtual rack, by the lab's own command, or by a person
person       The person in front of a command: hears what is going on, and is asked where the input is a terminal
rotation     Devices rotated over the places of the mount: which device stands where in which block, and who moves them
same_device  Refuses a device that is not the one the run knows by its name, and one that goes by two names
showing      Scenes on the screen one after the other, outside a session: to set up a rack, or to look at them
shutter      The Shutter protocol: what makes a device take a photograph, and the files that it then has
"""
