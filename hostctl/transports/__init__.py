"""The ways to a device's commands and files, below adb.py and ssh.py, and what is taken from them under limits.

adb_client   Speaks to an adb server: device services, shell results, sync transfers (OVERVIEW.TXT, SERVICES.TXT,
             SYNC.TXT)
adb_shell    Transport to a phone by the adb-shell library, for hosts without the adb program; slower than the adb
             server
adb_streams  A phone's command read piece by piece: by the shell protocol, and by a status behind a mark on older phones
bounds       How much of a device's words and files is taken, so that no device can fill this machine's memory or disk
host_keys    SSH host keys: what a server shows, which kinds to ask it for, and the words for a key that is not the
             pinned one
lines        Lines out of a stream of bytes that a device sends, under limits: no device can fill this machine's memory
ssh_stream   One command running on a board over SSH, read piece by piece; and the time limit of a command
"""
