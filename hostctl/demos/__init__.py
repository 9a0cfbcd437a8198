"""The main job on a virtual rack, in one command.

demo             The demo: five virtual devices photograph real pictures, a real model answers, and a report says where
                 it wavers
demo_train       `instability demo --train`: drawn garments on the virtual rack, a plain and a stable training, and a
                 new device
demo_train_page  What the training demo found: each scheme's instability between devices, paired tests, and the page
                 with pictures
"""
