"""Reads PDF, Word, Excel and long markup, apart from the process that serves.

`apart` starts `child` for one file and gives back what was read; `pdf`, `word`, `sheets` and
`marked` run in the child only. Owns the limits. Refuses to know titles, dates and where documents
are kept. Invariant: nothing that a file contains can run, reach the network or stop the server.
"""
