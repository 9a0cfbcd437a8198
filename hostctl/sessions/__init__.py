"""One sitting at a lab: who takes part, what goes on at once, from a photograph to a picture in the run.

attendance      Who takes part at this moment: a device that fails or is hot steps aside, and its own thread fetches it
                back
collect         From a photograph on a device to a picture in the run: pull, check the hash, prove the frame, commit
examine         Looks at one photograph: is it whole, which frame does it show, where is the scene; in worker processes
floor           What is going on at once in a session: photographs being taken, coming home, being verified; and what
                came of each
gates           Is a device cool and charged enough for photographs? What it rests for, and when it may work again
page_files      The three files of a small page (index.html, page.js, page.css) as a blueprint's addresses
place           Takes out of a photograph's files where it was taken, before a run keeps them; the picture's own bytes
                stay
progress_board  The board of a running session: what each device has done, what went wrong, how long it will take; in
                memory only
session_plan    What a lab's session does in which order: the scenes' steps, devices rotated, the golden scene in
                between
sitting         One sitting at a lab: open the run, take the photographs that are missing, predict what is not
                predicted, sum up
so_far          The result so far of a run that is still being written, worked out in a process of its own for the live
                page
space_needed    How many bytes the photographs of a session will take, estimated before it starts
timeline        A session's timeline, written as it comes: what took from when to when, one row a span; nothing of it is
                held
timing          How long each device usually takes, and how long the others wait for it; when what it does is overdue
until_width     A session that stops when the instability is known well enough: scenes in random blocks, a look after
                each block
vitals          How a device is in the middle of a session: battery, temperature, and what is wrong, asked with light
                commands
"""
