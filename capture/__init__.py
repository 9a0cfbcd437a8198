"""Light to files: scenes, the screen that shows them, the virtual cameras that see it, raws, ISPs and codecs.

scenes           scenes from a folder or CSV
screen           the painted frame, and the proof read back from a photograph; frame_code and markers are its parts
display          the screen's server; display_state, display_http, frames and screen_report are its parts
display_page/    the page that the server shows
raw              raw pictures and DNG, read and written
isp, isp_stages  ISPS: named chains of pure stages, and LibRaw's
codecs, encode   CODECS: RGB -> bytes
optics, sensor   the physics of a virtual camera
profiles         PROFILES: five virtual cameras, each number with its source
virtual_camera   what the screen showed, to the files that a device would save
"""
