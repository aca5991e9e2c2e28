"""Child processes for tests: from a server that has one thread, never a fork of pytest's process.

A fork of a process whose OpenMP threads are up waits for threads that it does not have.
"""

import multiprocessing

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["torch", "plp.cli.train"])
