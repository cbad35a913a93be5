"""The only room with sockets and processes: SSH, this computer's own shell, HTTP, recordings and their replay.

Nothing here decides anything about a home. Links carry a driver's reads and an authorized plan's writes, prove who
answers before anything is sent, and put a limit on the time and size of every answer.
"""
