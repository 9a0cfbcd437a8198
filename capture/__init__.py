"""Light to files: scenes, the screen that shows them, the virtual cameras that see it, raws, ISPs and codecs.

scenes           scenes from a folder or CSV
screen           the painted frame, and the proof read back from a photograph (frame_code, markers, ground)
display          the screen's server; display_routes, display_access, display_state, display_http,
                 display_joining, frames, screen_report are its parts
display_page/    the page that the server shows
scene_layouts    ImageNet's and COCO's layouts of labelled pictures
scene_truth      boxes and masks as the truth of scenes (box_files, mask_files); pasting the elephant test's pictures
label_maps       words to a model's labels, the MLSys paper's five classes among them
raw, tiff_tags   raw files of any camera read, DNG written
isp              ISPS: our chains (isp_recipes, isp_stages), LibRaw's, outside programs (isp_programs, outside_programs)
isp_area         every ISP's picture turned upright and cut to the area that all share
codecs, encode   CODECS: RGB -> bytes; codec_versions says by which libraries
develop          one parent picture by ISPs and codecs
optics, sensor   the physics of a virtual camera
profiles         PROFILES: five virtual cameras, each number with its source
reexposure       SENSORS: a raw as another exposure or sensor would have recorded it
drawn_objects    labelled garments, drawn for a study without photographs
anonymise        place, serials, owners and thumbnails out of a picture's metadata (metadata_tags, heif_items)
charts           test pictures; optical_scores what a camera does to them
video            frames of a video file, and back; video_example films one with a virtual camera
virtual_camera   what the screen showed, to the files that a device would save
"""
