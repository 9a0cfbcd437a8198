"""A browser page as a device: its pages, its jobs, what it may say, how phones find it; the lab's own certificates.

certificate        A small certificate authority of the lab's own, so that phones trust the display's server over https
certificate_files  The certificates of the lab's authority: made, written, read and compared (RFC 5280, by way of
                   `cryptography`)
checks             What a browser sent, checked: sizes, kinds and values bounded, before anything of it is kept or
                   believed
device             A browser as a device: what it is, one photograph, a job of predictions; and its shutter for the
                   runner
joining            How browsers come to their pages: an Android phone over its cable (adb reverse), the others by a code
                   or a link
link               The link to one browser page: the job it is to do, who may take it, and what came back; without any
                   HTTP
pages              The addresses of a browser device on the display's server, under its own token: /?token=... is its
                   page
predictor          A page as a Predictor: what a host's environment is called in a browser, and jobs that keep to their
                   time
wire               A job of predictions as it goes to a page: files by hash, corners, and what the page cannot work out
                   by itself
"""
