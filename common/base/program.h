/*
 * Each program of Latchkey calls this first in main(), before it opens a file: keys and tokens pass through its
 * memory. Never in a host process, whose limits and attributes are its own; the modules do not even hold this code.
 */
#ifndef LATCHKEY_PROGRAM_H
#define LATCHKEY_PROGRAM_H

/*
 * No core file, whatever the limits and the kernel's core_pattern, and no debugger but root's. The files of the process
 * in /proc belong to root from then on. A program that it executes has no core file either, and is else as any other.
 * A system that forbids it (a sandbox) is not an error: the program has no alternative.
 */
void program_protect(void);

/* Once more after a change of the uid, which may undo a part of it. */
void program_protect_again(void);

#endif
