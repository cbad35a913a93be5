"""The only room with sockets: SSH, HTTP, recordings and the replay of recordings.

Nothing here decides anything about a home. Links carry a driver's reads and an authorized plan's writes, prove who
answers before anything is sent, and put a limit on the time and size of every answer.
"""
