"""Model files: which exist, where they come from, and that they are what they should be.

`catalogue` names them, `store` finds and verifies those that are here (all that start-up needs;
it opens no connection), `fetch` brings them. `errors` is shared by the three.
"""
