"""Pictures made, found and written: developed from raws, listed from folders, as data sets, as what noise does to them.

datasets          Writes labelled pictures out as a data set: decoded, coloured and resized by chosen variants, as
                  lossless PNG files
developing        Develops the pictures of a run: raws x ISPS x CODECS, or photographs x CODECS; what is there is not
                  made again
development       What `instability develop` does as a whole: choose ISPs and codecs, open the run, develop or import,
                  and count
difference_map    Where two photographs of one thing differ by more than 5 %: a map and the share of pixels; two repeats
                  or two files
elephant          The elephant test: an object pasted into a picture slides through it, with controls, before a detector
elephant_page     The elephant test's page: the object's score along its way, and the pictures that tell most, with
                  boxes drawn
file_runs         Runs whose pictures are files that were there before: photographs or raws out of a folder or a CSV
importing         Brings the renderings of an outside program (Photoshop) into a run, each beside the raw that it was
                  made from
noise_page        Pages of pictures in one file that opens without a server: PNG and CSV as data addresses, the report's
                  look
noise_pictures    Pictures of noise: what each variant of a family does to one picture, measured and on one page
parents           The pictures of a run that others are made from: its raws, its photographs, and the one taken together
                  with a raw
picture_versions  Which ISPs and codecs were asked for, the versions of them here, and those that made the run's
                  pictures
prepared          Data sets whose pictures have the model's size already: how they are known, and predicted without
                  resizing again
"""
