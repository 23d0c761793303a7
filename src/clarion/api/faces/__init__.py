"""One package for each vendor's API. A face decodes, calls the one operation, and words the answer; no face knows another."""
