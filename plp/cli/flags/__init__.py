"""The flags of each command, in modules that import nothing heavy.

`plp NAME` reads its flags here first, so that help comes at once and a mistake is reported before
torch is imported. Module NAME of this folder has `parser()`; the module of that name in `plp.cli`
does the work.
"""
