"""`frontdesk bench`: the engine beside what one would use instead, in one run on one machine."""
