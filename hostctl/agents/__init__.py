"""The agent on a device: its libraries there, what it may say, and predictions made by it.

checks       What an agent on a device said, checked: its machine, the files of a shot, its predictions; nothing is
             believed
environment  A virtual environment on a board for the agent: made there of wheels from this host, once for each content
predictor    The Predictor protocol: what makes predictions on a device; and the one of devices with the Python agent
wheels       Wheels for a board's own platform and Python, fetched on this host and kept with their hashes
"""
