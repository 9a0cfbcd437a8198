"""The same pictures as JPEG and as PNG on many executors, and the cause of what differs.

decoding               The paper's section 7 in one command: the same pictures as JPEG and as PNG on many executors, and
                       what differs
executor_environments  Separate Pythons for executors, made on first use in the kit's state folder: an old one, and one
                       for 64-bit ARM
executors              Executors of the decoding experiment: what decodes, preprocesses and infers by a pixel path of
                       its own
pictures               The pictures of the decoding experiment: each scene as one JPEG, and as the PNG of the host's
                       decode of it
pixels                 The groups' pixels made again on the host: which of its decoders gives them, and how far apart
                       they are
result                 What the decoding experiment found in its run, as one dict for --json, and written as a page and
                       as CSV
text                   What a person reads in the terminal of the decoding experiment
work                   The decoding experiment at work: every executor predicts every picture, each format in its own
                       environment
"""
