"""The road of a message, one file a stage: print them and you have printed the system."""
