"""The front door and the laboratory."""
