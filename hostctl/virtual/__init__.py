"""The virtual rack: phones that speak ADB, boards behind SSH, and the screen that their cameras see."""
