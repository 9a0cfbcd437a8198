"""A phone over ADB: its camera app as a shutter, its folders, its settings and how it is; and a new one made ready.

camera            Makes the shutter of a lab's phone: its stock camera, its key known or found, its settings and log
                  kept
changed_settings  Remembers a phone's settings before they are changed, also on this host's disk, and puts them back
clearing          `instability devices clear`: removes from phones the photographs that runs on this host hold whole,
                  and no others
display_tablet    Holds a tablet that is the screen of a lab at one brightness: awake, nothing automatic, restored at
                  the end
health            The health of an Android phone over its transport: is it fit for a session, and what is wrong if not
learnt_keys       Finds the key that makes a phone photograph by trying, and remembers it by model and build for this
                  user
logcat            Keeps the last lines of a phone's log when a photograph failed, in files named by us, bounded in size
                  and time
profiles          Profiles of phones' own camera apps, read from phone_profiles.toml; none has been tried on hardware
                  yet
remote_folder     Reads what `ls -l` prints of a phone's folder of photographs: names of whole files and their sizes
setup             `instability devices setup`: from a phone in a hand to its tried [[device]] table in the lab file
stock_camera      Drives the stock camera app of an Android phone by shell commands: wake, open, press the key, wait for
                  the file
trial             Tries a phone's camera: which key, folder and formats it has, whether its files are whole, how long it
                  takes
waiting           Waits until a phone is there, authorised and unlocked, and says at each state what a person should do
"""
