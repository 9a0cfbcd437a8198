"""The virtual rack: phones that speak ADB, boards behind SSH, and the screen that their cameras see.

rack, racked     the parent's and the child's side of a running rack
hosting          virtual devices on an event loop in a thread
adbd             the ADB daemon of a phone; the other adb_ files are its messages, keys, streams and services
phone            a phone with a stock camera app; the phone_ files, camera_app and shell_syntax are its parts
board            an edge board behind SSH; the board_ files and agent_faults are its parts
faults           what can go wrong with a device or its link, and when; fault_proxy spoils the links
screen           a page without a browser; screen_model is the panel; browser_screen is a real browser instead
browser_phone    a real browser as a device; racked_browsers puts before its camera what the screen has painted
"""
