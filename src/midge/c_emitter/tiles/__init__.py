"""Generated innermost loops: tiles described as data, and the small writers of their assembly.

A tile is one `naked` C function in assembly that obeys the procedure call standard: it may be
called from C, it saves what it must, uses the stack only as a stack, and no register of the FPU. So
it survives an interrupt at any instruction, and compiles at any level of optimisation.
"""
