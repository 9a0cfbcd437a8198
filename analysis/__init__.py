"""Numbers and pictures from runs; never touches a device."""
