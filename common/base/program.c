#include "base/program.h"

#include <sys/prctl.h>
#include <sys/resource.h>

void program_protect(void)
{
    const struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CORE, &none);
    program_protect_again();
}

void program_protect_again(void)
{
    prctl(PR_SET_DUMPABLE, 0); /* also where core_pattern is a pipe, which RLIMIT_CORE does not concern */
}
